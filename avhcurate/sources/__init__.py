"""Readers of sources: a folder of classes, a manifest or list of paths, Parquet or tars with image bytes."""

from pathlib import Path

from avhcurate.disk.columns import bytes_leaf, listed
from avhcurate.disk.files import user_path
from avhcurate.disk.tabular import is_csv, is_parquet, parquet_schema
from avhcurate.disk.tars import is_tar
from avhcurate.errors import CurateError
from avhcurate.plugins import checked_function, load
from avhcurate.sources.folder import read_folder, scan_folder
from avhcurate.sources.manifest import KNOWN_CLASSES, class_list, read_list, read_manifest
from avhcurate.sources.parquet import read_parquet
from avhcurate.sources.source_table import ImportOptions, SourceKind, SourceTable
from avhcurate.sources.webdataset import read_webdataset

__all__ = ["KNOWN_CLASSES", "ImportOptions", "SourceKind", "SourceTable", "class_list", "read_source"]


def read_source(source: Path | str, options: ImportOptions) -> SourceTable:
    """Reads everything about a source but the images' bytes; its kind follows from its content, or from its scheme.

    Raises `CurateError` for what is not a source.
    """
    scheme, _, rest = str(source).partition(":")
    if scheme in PLUGINS:
        found = PLUGINS[scheme](rest, options)
        return found if isinstance(found, SourceTable) else read_source(found, options)
    if scheme == "list":
        return read_list(user_path(rest), options)
    if scheme == "wds":
        if options.root is not None:
            raise CurateError("the images of tar shards lie in them: leave --root out")
        return read_webdataset(rest, options)
    source = user_path(source)
    if source.is_dir():
        return _read_directory(source, options)
    if not source.exists():
        raise CurateError(
            f"{source} does not exist: give a folder of images, a CSV or Parquet file, list:FILE, wds:PATTERN, "
            "torchvision:NAME or hf:REPO"
        )
    if is_parquet(source):
        return (
            read_parquet([source], source.parent, options)
            if _holds_images(source, options)
            else read_manifest(source, options)
        )
    if is_csv(source):
        return read_manifest(source, options)
    if is_tar(str(source)):
        return read_webdataset(str(source), options)
    raise CurateError(
        f"{source.name} is neither CSV nor Parquet: give a folder with a sub-folder for each class "
        "(unpack archives first), or a CSV or Parquet file"
    )


def _holds_images(source: Path, options: ImportOptions) -> bool:
    """True for a Parquet file with image bytes, False for one that names images by path."""
    schema = parquet_schema(source)
    if options.image_column in schema.names:
        return bytes_leaf(schema.field(options.image_column)) is not None
    return any(bytes_leaf(field) for field in schema)


def _read_directory(source: Path, options: ImportOptions) -> SourceTable:
    scan = scan_folder(source)
    if scan.images:
        return read_folder(source, scan, options)
    if scan.parquet:
        return read_parquet([source / name for name in scan.parquet], source, options)
    manifests = [name for name in scan.others if is_csv(source / name)]
    hint = f"; it holds {listed(manifests, 3)}: import that file" if manifests else ""
    raise CurateError(
        f"{source} holds no images and no Parquet files ({len(scan.others)} other files, {scan.hidden} hidden){hint}"
    )


def _made(found: object, *_: object) -> "SourceTable | Path":
    """What a plugin's function has returned; TypeError where it is neither a table nor a path."""
    return found if isinstance(found, SourceTable) else Path(found)  # type: ignore[arg-type]


#: Functions of plugins by scheme: of what follows SCHEME: and the options to a SourceTable, or the path of a source.
PLUGINS = load("sources", checked_function("sources", _made), taken=("list", "wds", "torchvision", "hf"))
