"""Readers of sources: a folder of classes, a manifest, list or COCO file of paths, Parquet or tars with images."""

from pathlib import Path

from avhcurate.datasets.sources.coco import read_coco
from avhcurate.datasets.sources.folder import read_folder, scan_folder
from avhcurate.datasets.sources.manifest import KNOWN_CLASSES, class_list, read_list, read_manifest
from avhcurate.datasets.sources.parquet import read_parquet
from avhcurate.datasets.sources.source_table import ImportOptions, SourceKind, SourceTable
from avhcurate.datasets.sources.webdataset import read_webdataset
from avhcurate.errors import CurateError, Option
from avhcurate.plugins import checked_function, load
from avhcurate.workspace.disk.columns import bytes_leaf, listed
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.tabular import is_csv, is_parquet, parquet_schema
from avhcurate.workspace.disk.tars import is_tar

__all__ = ["KNOWN_CLASSES", "ImportOptions", "SourceKind", "SourceTable", "class_list", "read_source"]


def read_source(source: Path | str, options: ImportOptions) -> SourceTable:
    """Read everything about a source but the images' bytes; its kind follows from its content, or from its scheme.

    Raises `CurateError` for anything else.
    """
    scheme, _, rest = str(source).partition(":")
    if scheme in PLUGINS:
        found = PLUGINS[scheme](rest, options)
        if isinstance(found, SourceTable):
            return found
        return read_source(found, options)
    if scheme == "list":
        return read_list(user_path(rest), options)
    if scheme == "wds" or is_tar(str(source)):
        if options.root is not None:
            raise CurateError("Tar shards hold their images.", fix=f"Leave {Option('root')} out")
        return read_webdataset(str(source).removeprefix("wds:"), options)
    source = user_path(source)
    if source.is_dir():
        scan = scan_folder(source)
        if scan.images:
            return read_folder(source, scan, options)
        if scan.parquet:
            return read_parquet([source / name for name in scan.parquet], source, options)
        tables = [name for name in scan.others if is_csv(source / name)]
        raise CurateError(f"{source} holds no images and no Parquet files. CSV files to import: {listed(tables, 3)}.")
    if source.exists() and is_parquet(source) and _holds_images(source, options):
        return read_parquet([source], source.parent, options)
    if source.exists() and (is_parquet(source) or is_csv(source)):
        return read_manifest(source, options)
    if source.suffix.casefold() == ".json" and source.is_file():
        return read_coco(source, options)
    raise CurateError(
        f"{source} does not exist, or is not a source. Give a folder of images, a CSV, Parquet or COCO file, "
        "list:FILE, wds:PATTERN, torchvision:NAME or hf:REPO; unpack archives first."
    )


def _holds_images(source: Path, options: ImportOptions) -> bool:
    """Return whether a Parquet file has image bytes; another names images by path."""
    schema = parquet_schema(source)
    if options.image_column in schema.names:
        return bytes_leaf(schema.field(options.image_column)) is not None
    return any(bytes_leaf(field) for field in schema)


def _made(found: object, *_: object) -> "SourceTable | Path":
    """Return what a plugin's function has returned; raise TypeError if it is neither a table nor a path."""
    if isinstance(found, SourceTable):
        return found
    return Path(found)  # type: ignore[arg-type]


#: Functions of plugins by scheme: of what follows SCHEME: and the options to a SourceTable, or the path of a source.
PLUGINS = load("sources", checked_function("sources", _made), taken=("list", "wds", "torchvision", "hf"))
