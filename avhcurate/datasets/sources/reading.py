"""Read any source: what it is, by whom it is read, and plugins for others."""

from pathlib import Path

from avhcurate.datasets.sources.addresses import read_address
from avhcurate.datasets.sources.folder import read_folder, scan_folder
from avhcurate.datasets.sources.labelled_folders import read_labelled_folder
from avhcurate.datasets.sources.manifest import read_list, read_manifest
from avhcurate.datasets.sources.own_exports import read_own_export
from avhcurate.datasets.sources.parquet import holds_images, read_parquet
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable
from avhcurate.datasets.sources.tool_sources import LABEL_SUFFIXES, read_label_file
from avhcurate.datasets.sources.webdataset import read_webdataset
from avhcurate.errors import CurateError, Option
from avhcurate.plugins import checked_function, load
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.remote import is_url
from avhcurate.workspace.disk.tabular import is_csv, is_parquet
from avhcurate.workspace.disk.tars import is_tar

#: Folders with computed results below that of a dataset, and what they are.


def read_source(source: Path | str, options: ImportOptions) -> SourceTable:
    """Read everything about a source but the images' bytes; its kind follows from its content, or from its scheme.

    Raises `CurateError` for anything else.
    """
    scheme, _, rest = str(source).partition(":")
    if scheme in PLUGINS:
        read = PLUGINS[scheme](rest, options)
        if isinstance(read, SourceTable):
            return read
        return read_source(read, options)
    if scheme == "list":
        return read_list(user_path(rest), options)
    if (own := read_own_export(user_path(source), options, read_source)) is not None:
        return own
    if scheme == "wds" or is_tar(str(source)):
        if options.root is not None:
            raise CurateError("Tar shards hold their images.", fix=f"Leave {Option('root')} out")
        return read_webdataset(str(source).removeprefix("wds:"), options)
    if is_url(str(source)):
        return read_address(str(source), options)
    source = user_path(source)
    if source.is_dir():
        return _read_directory(source, options)
    return _read_file(source, options)


def _read_file(source: Path, options: ImportOptions) -> SourceTable:
    if source.exists() and is_parquet(source) and holds_images(source, options):
        return read_parquet([source], source.parent, options)
    if source.exists() and (is_parquet(source) or is_csv(source)):
        return read_manifest(source, options)
    if source.suffix.casefold() in LABEL_SUFFIXES and source.is_file():
        return read_label_file(source, options)
    raise CurateError(
        f"{source} does not exist, or is not a source. Give a folder of images or its address, a CSV or Parquet file, "
        "JSON of COCO, FiftyOne or Label Studio, JSON lines, XML of CVAT, list:FILE, wds:PATTERN or hf:REPO; unpack "
        "archives first."
    )


def _read_directory(source: Path, options: ImportOptions) -> SourceTable:
    """Read a folder of images, or of Parquet files."""
    scan = scan_folder(source)
    if (labelled := read_labelled_folder(source, scan, options)) is not None:
        return labelled
    if scan.images:
        return read_folder(lambda path: f"{source.absolute()}/{path}", scan, options)
    if scan.parquet:
        return read_parquet([source / name for name in scan.parquet], source, options)
    tables = [name for name in scan.others if is_csv(source / name)]
    raise CurateError(f"{source} holds no images and no Parquet files. CSV files to import: {listed(tables, 3)}.")


def _table_or_path(result: object, *_: object) -> SourceTable | Path:
    """Return what a plugin's function has returned; raise TypeError if it is neither a table nor a path."""
    if isinstance(result, SourceTable):
        return result
    return Path(result)  # type: ignore[arg-type]


#: Functions of plugins by scheme: of what follows SCHEME: and the options to a SourceTable, or the path of a source.
PLUGINS = load("sources", checked_function("sources", _table_or_path), taken=("list", "wds", "hf"))
