"""Manifests: a table with a path or URL for each image, or lines `path label_index`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError, Option, Run
from avhcurate.workspace.disk.budget import check_file
from avhcurate.workspace.disk.columns import (
    LABEL_NAMES,
    PATH_NAMES,
    find_path_column,
    is_text,
    name_columns,
    number_lists,
    plain_cells,
    plain_values,
    without_missing,
)
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.remote import below, is_url
from avhcurate.workspace.disk.tabular import has_parquet, padded_columns, parquet_schema, read_table

#: Class orders that `--classes` takes by name.
KNOWN_CLASSES = {
    "visda17": (
        *("aeroplane", "bicycle", "bus", "car", "horse", "knife", "motorcycle", "person", "plant", "skateboard"),
        *("train", "truck"),
    )
}
_LIST = "Each line is `path label_index`, the index from 0."


def read_manifest(path: Path, options: ImportOptions) -> SourceTable:
    """Return one sample per row. Paths are relative to the manifest's folder, absolute, or URLs (http, file, fsspec).

    A row without a path is skipped, and so is one that repeats another; two different rows for one path are refused.
    """
    lists: list[str] = []
    if has_parquet(path):
        lists = number_lists(parquet_schema(path))
        table = read_table(path, without=lists)
    else:
        table = _read_csv(path, options)
    return read_rows(table, path, options, lists=lists)


def read_rows(table: pa.Table, path: Path, options: ImportOptions, *, lists: Sequence[str] = ()) -> SourceTable:
    """Return the samples of a table with a column of paths, as `read_manifest`; `lists`: columns that it lacks."""
    if not len(table):
        raise CurateError(f"{path} has no rows. A manifest has a row for each image.")
    column = find_path_column(table, options.image_column)
    if not is_text(table[column].type) and not pa.types.is_null(table[column].type):
        raise CurateError(
            f"Column {column!r} of {path} holds {table[column].type}, not paths.",
            fix=f"Choose one with {Option('image_column')}",
        )
    table = table.set_column(table.column_names.index(column), column, without_missing(table[column]))
    return read_paths(table, column, path, options, kind="manifest", lists=lists, image_column=column)


def _read_csv(path: Path, options: ImportOptions) -> pa.Table:
    """Read paths, names of classes and codes such as 007 as they are written, also if an export made formulas safe.

    Other labels are numbers if all of them are plain numbers.
    """
    image = options.image_column or "path"
    label = options.label_column or "label"
    names = name_columns(label)
    table = read_table(path, texts=(image, label, *PATH_NAMES, *LABEL_NAMES, *names, *padded_columns(path)))
    numbers = {name.casefold() for name in (label, *PATH_NAMES, *LABEL_NAMES)} - {image.casefold(), *names}
    columns = {name: plain_cells(table[name]) for name in table.column_names}
    return pa.table(columns | {name: plain_values(columns[name]) for name in columns if name.casefold() in numbers})


def read_paths(table: pa.Table, column: str, source: Path, options: ImportOptions, **facts: Any) -> SourceTable:
    """Return the samples of a table with a column of paths, relative to `options.root` or else to its own folder.

    `facts`: see `interpret`.
    """
    messages = []
    rows = table.select([field.name for field in table.schema if not pa.types.is_nested(field.type)]).to_pandas()
    unnamed = rows[column].isna()
    repeated = ~unnamed & rows.duplicated()
    if unnamed.any():
        messages.append(f"{unnamed.sum()} rows name no image and were skipped")
    if repeated.any():
        messages.append(f"{repeated.sum()} rows repeat another and were skipped")
    used = (~unnamed & ~repeated).to_numpy()
    paths = rows[column][used]
    if paths.empty:
        raise CurateError(f"{source} names no image in column {column!r}.")
    several = paths[paths.duplicated()].unique()
    if len(several):
        raise CurateError(
            f"{len(several)} images are in several rows that differ, first {several[0]!r}. A manifest has one row for "
            "each image.",
            fix=f"With human answers, {Run('votes', 'NAME', 'FILE')}",
        )
    root = absolute_root(options.root or source.parent)
    files = [file_of(path, root) for path in paths]
    stats, missing = stat_files(files)
    if len(missing) == len(files):
        raise CurateError(
            f"None of the {len(files)} images that {source} names exists, first {missing[0]}. Relative paths start at "
            f"{root}.",
            fix=f"Give another folder with {Option('root')}",
        )
    if missing:
        messages.append(f"{len(missing)} images do not exist and will be recorded as broken, first {missing[0]}")
    return interpret(
        table.filter(pa.array(used)).drop_columns([column]),
        options,
        pd.DataFrame({"path": paths, "_file": files}),
        evidence=[fingerprint_table(stats)],
        skipped=len(table) - len(files),
        messages=messages,
        **facts,
    )


def absolute_root(root: Path | str) -> str:
    """Return the whole path of a folder, or an address as it is."""
    if is_url(str(root)):
        return str(root)
    return str(Path(root).absolute())


def file_of(path: str, root: str) -> str:
    """Return the absolute path or the URL of what a manifest names.

    >>> file_of("file:///data/a%20b.jpg", "/d"), file_of("c.jpg", "/d"), file_of("c d.jpg", "https://x.org/d")
    ('/data/a b.jpg', '/d/c.jpg', 'https://x.org/d/c%20d.jpg')
    """
    if path.startswith("file://"):
        return url2pathname(urlsplit(path).path)
    if is_url(path) or os.path.isabs(path):
        return path
    return below(root, path)


def stat_files(files: list[str]) -> tuple[pa.Table, list[str]]:
    """Return size and modification time (ns) of each local file, -1 for others, and the files that are missing."""
    numbers = np.full((len(files), 2), -1, np.int64)
    missing = []
    for row, file in enumerate(files):
        if not is_url(file):
            try:
                status = os.stat(file)
                numbers[row] = status.st_size, status.st_mtime_ns
            except (OSError, ValueError):
                missing.append(file)
    return pa.table({"size": numbers[:, 0], "time": numbers[:, 1]}), missing


# --- lists of paths ---------------------------------------------------------------------------------------------


def read_list(path: Path, options: ImportOptions) -> SourceTable:
    """Return one sample per line. Paths start at `options.root`, or else at the list's own folder.

    Classes are those of the options, or the names of the first folders if each class has one of its own, as VisDA's
    training list has them, or numbers.
    """
    options.refuse_columns("A list of images")
    if not path.is_file():
        raise CurateError(f"The list {path} does not exist. Give list:FILE. {_LIST}")
    lines = pd.Series(_text(path).splitlines(), dtype="str").str.strip()
    rows = lines[lines != ""].str.extract(r"^(?:\./)?(?P<path>.*\S)\s+(?P<label>\d{1,9})$")
    wrong = rows.index[rows["label"].isna()]
    if rows.empty or len(wrong):
        number = next(iter(wrong), 0) + 1
        raise CurateError(f"Line {number} of {path} does not end in a class index. {_LIST}")
    rows = rows.astype({"label": "int64"})
    options = replace(options, classes=options.classes or _by_folders(rows))
    table = pa.Table.from_pandas(rows, preserve_index=False)
    return read_paths(table, "path", path, options, kind="list", image_column=None)


def _text(path: Path) -> str:
    check_file(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise CurateError(f"{path} is not UTF-8 text. Save it as UTF-8.") from problem


def _by_folders(lines: pd.DataFrame) -> list[str] | None:
    """Return the first folder of each class if each class from 0 on has one of its own, else None."""
    folders = lines["path"].str.extract(r"^([^/]+)/", expand=False)
    pairs = lines[["label"]].assign(folder=folders).drop_duplicates().sort_values("label")
    names = pairs["folder"].dropna().unique().tolist()
    if pairs["label"].tolist() != list(range(len(names))):
        return None
    return names


# --- names of classes -------------------------------------------------------------------------------------------


def class_list(text: str | None) -> list[str] | None:
    """Return the class names of `--classes`: a known order, a file with a name a line, or names with commas between.

    >>> class_list("cat, dog")
    ['cat', 'dog']
    """
    if text is None:
        return None
    if text in KNOWN_CLASSES:
        return list(KNOWN_CLASSES[text])
    path = user_path(text)
    parts = text.split(",")
    if os.path.isfile(path):
        parts = _text(path).splitlines()
    elif len(parts) < 2 or path.suffix:
        raise CurateError(
            f"{Option('classes')} {text!r} is neither a file nor a list such as cat,dog nor a known order "
            f"({', '.join(KNOWN_CLASSES)})."
        )
    names = [name.strip() for name in parts if name.strip()]
    if len(set(names)) < len(names):
        raise CurateError(f"{Option('classes')} {text!r} names a class twice. Each class needs its own name.")
    return names
