"""Label files of other tools as sources: their images are looked for around the file, and read where they lie."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.brought import Brought
from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES
from avhcurate.datasets.sources.json_rows import read_json_rows, table_of_rows
from avhcurate.datasets.sources.manifest import read_paths, read_rows
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable
from avhcurate.datasets.sources.tool_files import NoToolFile, ToolFile, read_tool_file
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.remote import is_url

#: Endings of the files that hold objects or labels and are no table.
LABEL_SUFFIXES = (".json", ".jsonl", ".ndjson", ".xml")
#: Folders of images beside a label file, and how far above it they may lie.
_IMAGE_FOLDERS = ("images", "data", "train", "val", "test")
_ABOVE = 2
#: Entries of a folder that are looked at.
_SEARCHED = 1000


def read_label_file(path: Path, options: ImportOptions) -> SourceTable:
    """Return the samples of a file of labels: of a tool, of JSON lines, or a JSON list of objects with paths."""
    if path.suffix.casefold() in (".jsonl", ".ndjson"):
        return read_rows(table_of_rows(read_json_rows(path), path.name), path, options)
    try:
        tool = read_tool_file(path, options.label_column)
    except NoToolFile as problem:
        try:
            rows = read_json_rows(path) if path.suffix.casefold() == ".json" else []
        except CurateError:
            rows = []
        if not rows:
            raise problem from None
        return read_rows(table_of_rows(rows, path.name), path, options)
    return samples_of(tool, path, options)


def samples_of(tool: ToolFile, path: Path, options: ImportOptions) -> SourceTable:
    """Return a sample for each image of a tool's file. Paths start at `options.root`, or where its images are."""
    if tool.tool != "FiftyOne":
        options.refuse_columns(f"A file of {tool.tool}")
    elif options.image_column or options.split_column or options.votes_column:
        options.refuse_columns("A file of FiftyOne")
    images = tool.images
    root = options.root or _root(path, images["path"], bare=tool.bare)
    if root is None and tool.files:
        images = images.assign(path=pd.Series(tool.files, dtype="str"))
        root = _root(path, images["path"], bare=False)
    root = root or path.parent
    images = images[images["path"].notna()]
    if images.empty:
        raise CurateError(f"{path.name} names no image.")
    if tool.bare:
        images = images.assign(path=_with_endings(images["path"], root))
    images = images.drop_duplicates("path")
    facts: dict[str, Any] = {"kind": "list", "image_column": None}
    columns = ["path", "label"] + ["split"] * bool(images["split"].notna().any())
    table = pa.Table.from_pandas(images[columns], preserve_index=False)
    options = replace(options, root=root, label_column=None, classes=options.classes or tool.classes)
    samples = read_paths(table, "path", path, options, **facts)
    if tool.several:
        what = "annotations of several categories" if tool.tool == "COCO" else "several labels"
        samples.messages.append(f"{tool.several} images have {what}, and so no label here")
    if tool.answers:
        samples.messages.append(
            f"the label is what the {tool.answers} annotations of an image settle on; `votes NAME {path.name}` counts "
            "them as votes"
        )
    if (images["tags"].map(len) > 0).any():
        samples = replace(samples, brought=Brought.of_tags(path.name, images["path"], images["tags"]))
    return samples


def _root(path: Path, names: pd.Series, *, bare: bool) -> Path | None:
    """Return the folder that the paths in a file start from: its own, one beside it or above; None if not found."""
    first = next((name for name in names.dropna() if not (is_url(name) or os.path.isabs(name))), None)
    if first is None:
        return path.parent
    for folder in [path.parent, *path.parent.parents][: _ABOVE + 1]:
        for inside in _inside(folder):
            if (inside / first).is_file() or (bare and _ending(inside, first)):
                return inside
    return None


def _inside(folder: Path) -> Iterator[Path]:
    """Yield a folder, those in it that usually hold images, and others."""
    yield folder
    yield from (folder / name for name in _IMAGE_FOLDERS)
    with suppress(OSError), os.scandir(folder) as entries:
        yield from sorted(Path(entry) for entry in islice(entries, _SEARCHED) if entry.is_dir())


def _ending(folder: Path, name: str) -> str | None:
    return next((suffix for suffix in IMAGE_SUFFIXES if (folder / f"{name}{suffix}").is_file()), None)


def _with_endings(names: pd.Series, root: Path | str) -> pd.Series:
    """Return paths that lack the ending of their image with it, where there is such a file below the root."""
    files = dict[str, str]()
    for place, folders, found in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in found:
            inside = Path(place, name).relative_to(root).as_posix()
            if PurePosixPath(name).suffix.casefold() in IMAGE_SUFFIXES:
                files.setdefault(inside.removesuffix(PurePosixPath(name).suffix), inside)
    known = set(files.values())
    return names.map(lambda name: name if name in known else files.get(name, name))
