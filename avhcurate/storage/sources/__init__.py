"""Readers of what a user has: a folder of classes, a manifest of paths, Parquet with image bytes."""

from pathlib import Path

from avhcurate.errors import CurateError
from avhcurate.storage.columns import bytes_leaf, listed
from avhcurate.storage.sources.folder import read_folder, scan
from avhcurate.storage.sources.manifest import read_manifest
from avhcurate.storage.sources.parquet import read_parquet
from avhcurate.storage.sources.reading import Options, Reading
from avhcurate.storage.tabular import is_csv, is_parquet, parquet_schema

__all__ = ["Options", "Reading", "read_source"]


def read_source(source: Path, options: Options) -> Reading:
    """Everything about a source but the images' bytes; what it is, its content decides.

    Raises `CurateError` for what is no source, with the next step.
    """
    if source.is_dir():
        return _read_directory(source, options)
    if not source.exists():
        raise CurateError(f"{source} does not exist: give a folder of images, a CSV or Parquet file, or hf:REPO")
    if is_parquet(source):
        return (
            read_parquet([source], source.parent, options)
            if _holds_images(source, options)
            else read_manifest(source, options)
        )
    if is_csv(source):
        return read_manifest(source, options)
    raise CurateError(
        f"{source.name} is neither CSV nor Parquet: give a folder with a sub-folder for each class "
        "(unpack archives first), or a CSV or Parquet file"
    )


def _holds_images(source: Path, options: Options) -> bool:
    """True for a Parquet file with image bytes, False for one that names images by path."""
    schema = parquet_schema(source)
    if options.image_column in schema.names:
        return bytes_leaf(schema.field(options.image_column)) is not None
    return any(bytes_leaf(field) for field in schema)


def _read_directory(source: Path, options: Options) -> Reading:
    found = scan(source)
    if found.images:
        return read_folder(source, found, options)
    if found.parquet:
        return read_parquet([source / name for name in found.parquet], source, options)
    manifests = [name for name in found.others if is_csv(source / name)]
    hint = f"; it holds {listed(manifests, 3)}: import that file" if manifests else ""
    raise CurateError(
        f"{source} holds no images and no Parquet files ({len(found.others)} other files, {found.hidden} hidden){hint}"
    )
