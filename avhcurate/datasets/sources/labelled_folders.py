"""Folders whose labels are in a file beside the images: of tools, Hugging Face's metadata, arrays of cleanlab."""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.folder import SPLITS, FolderScan
from avhcurate.datasets.sources.json_rows import read_json_rows, table_of_rows
from avhcurate.datasets.sources.manifest import read_rows
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable
from avhcurate.datasets.sources.tool_files import SUFFIXES, NoToolFile, ToolFile, read_tool_file
from avhcurate.datasets.sources.tool_sources import samples_of
from avhcurate.errors import CurateError, Run
from avhcurate.workspace.disk.arrays import open_array
from avhcurate.workspace.disk.columns import PATH_NAMES, find_path_column, listed, plain_values
from avhcurate.workspace.disk.tabular import is_csv, is_parquet, read_table

#: Names of folders that say that they hold images, and not which class these are of.
_IMAGES = re.compile(
    r"(?i)(images?|imgs?|data|photos?|pictures?|media|jpegimages|default|files?|(train|val|valid|validation|test)\d*)"
)
#: JSON that tools write beside their labels.
_NO_LABELS = ("metadata.json", "manifest.json", "dataset_info.json", "info.json")
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_ARRAY = "labels.npy"


def read_labelled_folder(root: Path, scan: FolderScan, options: ImportOptions) -> SourceTable | None:
    """Return the samples of a folder whose labels are in a file; None where its sub-folders are the classes.

    A folder of images beside a file of labels that cannot be read is refused: its name would be the one class.
    """
    files = [*scan.others, *scan.parquet]
    if metadata := [name for name in files if PurePosixPath(name).name in _METADATA and name.count("/") <= 1]:
        return _of_metadata(root, metadata, scan, options)
    if _ARRAY in files:
        return _of_arrays(root, files, options)
    if not scan.images or _has_classes(scan):
        return None
    found, refused = _label_files(root, scan, options)
    if found:
        return _of_tools(root, found, options)
    if any(name.casefold().startswith("labels/") and name.endswith(".txt") for name in scan.others):
        raise CurateError(
            f"{root} is a dataset of YOLO for detection: its labels are boxes, and images have no class. Export it for "
            "classification, with a folder for each class."
        )
    if refused and any("/" in name for name, _, _ in scan.images):
        raise CurateError(
            f"{root} holds images beside files of labels that cannot be read. {' '.join(refused[:2])}",
            fix="Import one of the files, or a folder with a sub-folder for each class",
        )
    return None


def _has_classes(scan: FolderScan) -> bool:
    """Return whether images lie in class folders, as `read_folder` sees them, that are called like a class."""
    folders = [PurePosixPath(name).parts[:-1] for name, _, _ in scan.images]
    below = all(parts[0].casefold() in SPLITS for parts in folders if parts)
    classes = {parts[below] for parts in folders if len(parts) > below}
    return any(not _IMAGES.fullmatch(name) for name in classes)


# --- files of tools ------------------------------------------------------------------------------------------------


def _label_files(root: Path, scan: FolderScan, options: ImportOptions) -> tuple[dict[str, ToolFile], list[str]]:
    """Return the files of labels in a folder by name, and why others are none."""
    found, refused = {}, []
    for name in scan.others:
        path = PurePosixPath(name)
        if path.suffix.casefold() not in SUFFIXES or path.name in _NO_LABELS or name.count("/") > 1:
            continue
        try:
            found[name] = read_tool_file(root / name, options.label_column)
        except NoToolFile as problem:
            refused.append(str(problem))
    return found, refused


def _of_tools(root: Path, found: dict[str, ToolFile], options: ImportOptions) -> SourceTable:
    """Return the samples of one file, or of one in each split as Roboflow writes them."""
    if len(found) == 1:
        ((name, tool),) = found.items()
        return samples_of(tool, root / name, options)
    folders = [PurePosixPath(name).parent for name in found]
    tools = {tool.tool for tool in found.values()}
    if (
        len(set(folders)) < len(folders)
        or len(tools) > 1
        or not all(part.name.casefold() in SPLITS for part in folders)
    ):
        raise CurateError(f"{root} holds several files of labels: {listed(found)}. Import one of them.")
    parts = []
    for folder, tool in zip(folders, found.values(), strict=True):
        parts.append(tool.images.assign(path=f"{folder}/" + tool.images["path"], split=folder.name))
    classes = list(dict.fromkeys(name for tool in found.values() for name in tool.classes or ()))
    joined = replace(
        next(iter(found.values())),
        images=pd.concat(parts, ignore_index=True),
        several=sum(tool.several for tool in found.values()),
        classes=classes or None,
    )
    return samples_of(joined, root / "labels", options)


# --- Hugging Face's imagefolder ------------------------------------------------------------------------------------


def _of_metadata(root: Path, names: list[str], scan: FolderScan, options: ImportOptions) -> SourceTable | None:
    """Return the samples that metadata files name in `file_name`, below each file's own folder.

    Without a column of labels, the folders of classes are the labels; the first folder is the split if it is called so.
    """
    tables = []
    for name in names:
        file = root / name
        if file.suffix == ".jsonl":
            table = table_of_rows(read_json_rows(file), name)
        else:
            table = read_table(file, texts=("file_name", "label"))
        if "file_name" not in table.column_names:
            return None
        folder = PurePosixPath(name).parent
        files = [None if text is None else str(folder / text) for text in table["file_name"].to_pylist()]
        tables.append(
            table.set_column(table.column_names.index("file_name"), "file_name", pa.array(files, pa.string()))
        )
    table = pa.concat_tables(tables, promote_options="permissive")
    paths = [path or "" for path in table["file_name"].to_pylist()]
    parts = [PurePosixPath(path).parts[:-1] for path in paths]
    if "split" not in table.column_names and all(part and part[0].casefold() in SPLITS for part in parts):
        table = table.append_column("split", pa.array([part[0] for part in parts]))
    classes = [part[-1] if part and part[-1].casefold() not in SPLITS else None for part in parts]
    labels = {name.casefold() for name in table.column_names}
    if not labels & {"label", "labels", "class", "category"} and len(set(classes) - {None}) > 1:
        table = table.append_column("label", pa.array(classes, pa.string()))
    table = pa.table(
        {name: plain_values(table[name]) if name == "label" else table[name] for name in table.column_names}
    )
    read = read_rows(table, root / "metadata", replace(options, image_column=options.image_column or "file_name"))
    named = set(paths)
    if rest := sum(name not in named for name, _, _ in scan.images):
        read.messages.append(f"{rest} images are not in {listed(names, 3)}, and are left out")
    return read


# --- cleanlab ------------------------------------------------------------------------------------------------------


def _of_arrays(root: Path, files: list[str], options: ImportOptions) -> SourceTable:
    """Return the samples of `labels.npy`, whose images a table beside it names, a row each in the same order."""
    labels = open_array(root / _ARRAY).read()
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise CurateError(
            f"{root / _ARRAY} has shape {labels.shape} of {labels.dtype}. It needs a class index for each image."
        )
    tables = [name for name in files if "/" not in name and (is_csv(Path(name)) or is_parquet(Path(name)))]
    named = {name: read_table(root / name, texts=PATH_NAMES) for name in tables}
    fitting = [name for name, table in named.items() if len(table) == len(labels) and _names_images(table)]
    if len(fitting) != 1:
        raise CurateError(
            f"{root} holds cleanlab's arrays, which name no image. Put a table with a column path beside them, a row "
            f"for each of the {len(labels)} labels in their order.",
            fix=f"Or import the images, and {Run('attach', 'NAME', probs='pred_probs.npy')}",
        )
    table = named[fitting[0]]
    kept = [name for name in table.column_names if name.casefold() not in ("label", "labels", "label_name")]
    table = table.select(kept).append_column("label", pa.array(labels.astype(np.int64)))
    read = read_rows(table, root / fitting[0], options)
    if (root / "pred_probs.npy").is_file():
        read.messages.append(f"`attach NAME --probs {root / 'pred_probs.npy'}` makes a run of the probabilities")
    return read


def _names_images(table: pa.Table) -> bool:
    try:
        find_path_column(table)
    except CurateError:
        return False
    return True
