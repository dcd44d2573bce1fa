"""Manifests: a CSV or Parquet table with a path or URL for each image, or a list of lines `path label_index`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.app_files import install_command
from avhcurate.disk.columns import (
    LABEL_NAMES,
    MISSING,
    PATH_NAMES,
    find_path_column,
    is_text,
    name_columns,
    plain_values,
)
from avhcurate.disk.files import user_path
from avhcurate.disk.fingerprints import fingerprint_table
from avhcurate.disk.formulas import plain_cells
from avhcurate.disk.remote import URL_PATTERN, is_url
from avhcurate.disk.tabular import has_parquet, padded_columns, parquet_schema, read_table
from avhcurate.errors import CurateError
from avhcurate.sources.labels import MAX_CLASSES
from avhcurate.sources.list_columns import ListSource, number_lists
from avhcurate.sources.source_table import ImportOptions, SourceTable, interpret

#: Class orders that `--classes` takes by name.
KNOWN_CLASSES = {
    "visda17": (
        *("aeroplane", "bicycle", "bus", "car", "horse", "knife", "motorcycle", "person", "plant", "skateboard"),
        *("train", "truck"),
    )
}


def read_manifest(path: Path, options: ImportOptions) -> SourceTable:
    """One sample a row. Paths are relative to the manifest's folder, absolute, or http(s), file or fsspec URLs.

    A row without a path is skipped, and so is one that repeats another; two rows that differ for one path are refused.
    """
    lists = number_lists(parquet_schema(path)) if has_parquet(path) else []
    table = read_table(path, without=lists) if has_parquet(path) else _read_csv(path, options)
    if not len(table):
        raise CurateError(f"{path} has no rows: a manifest has a row for each image")
    column = find_path_column(table, options.image_column)
    if not is_text(table[column].type) and not pa.types.is_null(table[column].type):
        raise CurateError(
            f"column {column!r} of {path} holds {table[column].type}, not paths; choose with --image-column"
        )
    return _read_paths(_trimmed(table, column), column, path, options, kind="manifest", lists=lists)


def _read_csv(path: Path, options: ImportOptions) -> pa.Table:
    """Paths, names of classes and codes such as 007 as they are written, also where an export made formulas safe.

    Other labels are numbers where all of them are plain numbers.
    """
    image, label = options.image_column or "path", options.label_column or "label"
    names = name_columns(label)
    table = read_table(path, texts=(image, label, *PATH_NAMES, *LABEL_NAMES, *names, *padded_columns(path)))
    numbers = {name.casefold() for name in (label, *PATH_NAMES, *LABEL_NAMES)} - {image.casefold(), *names}
    for place, name in enumerate(table.column_names):
        column = plain_cells(table[name])
        table = table.set_column(place, name, plain_values(column) if name.casefold() in numbers else column)
    return table


def _read_paths(
    table: pa.Table,
    column: str,
    source: Path,
    options: ImportOptions,
    *,
    kind: Literal["manifest", "list"],
    lists: Sequence[str] = (),
) -> SourceTable:
    """The samples of a table with a column of paths, which are relative to `options.root`, else to its own folder."""
    table, rows, messages, skipped = _drop_repeated_paths(table, column)
    if not len(table):
        raise CurateError(f"column {column!r} of {source} is empty in every row: it should name the images")
    paths = table[column].cast(pa.string())
    root = (options.root or source.parent).absolute()
    files = _places(paths, root)
    stats, missing = _stat_files(files, source, root)
    return interpret(
        table.drop_columns([column]),
        options,
        paths=paths,
        files=files,
        kind=kind,
        image_column=column if kind == "manifest" else None,
        evidence=[fingerprint_table(stats)],
        skipped=skipped,
        messages=[*messages, *missing],
        lists=ListSource([source.absolute()], list(lists), rows) if lists else None,
    )


def _stat_files(files: pa.ChunkedArray, source: Path, root: Path) -> tuple[pa.Table, list[str]]:
    """Size and modification time (ns) of each local file, -1 for the others, and a message where some are missing.

    Raises `CurateError` where all are missing.
    """
    numbers = np.full((len(files), 2), -1, np.int64)
    missing = []
    for position, file in enumerate(files.to_pylist()):
        if is_url(file):
            continue
        try:
            status = os.stat(file)
            numbers[position] = status.st_size, status.st_mtime_ns
        except (OSError, ValueError):
            missing.append(file)
    stats = pa.table({"size": numbers[:, 0], "time": numbers[:, 1]})
    if len(missing) == len(files):
        raise CurateError(
            f"none of the {len(files)} images that {source} names exists, first {missing[0]}. Relative paths start at "
            f"{root}: give another folder with --root"
        )
    if not missing:
        return stats, []
    return stats, [f"{len(missing)} images do not exist and will be recorded as broken, first {missing[0]}"]


def _trimmed(table: pa.Table, column: str) -> pa.Table:
    texts = pc.utf8_trim_whitespace(table[column].cast(pa.string()))
    texts = pc.if_else(pc.is_in(texts, value_set=pa.array(["", *MISSING])), pa.scalar(None, pa.string()), texts)
    return table.set_column(table.column_names.index(column), column, texts)


def _drop_repeated_paths(table: pa.Table, column: str) -> tuple[pa.Table, np.ndarray, list[str], int]:
    """The table without rows that name no image or repeat another, and which rows those are, ascending; what was left
    out; how many rows.
    """
    messages = []
    rows_kept = np.flatnonzero(table[column].is_valid().to_numpy())
    named = table.filter(pc.is_valid(table[column]))
    unnamed = len(table) - len(named)
    if unnamed:
        messages.append(f"{unnamed} rows name no image and were skipped")
    rows = pa.table({"path": named[column], "row": np.arange(len(named))})
    first = rows.group_by("path").aggregate([("row", "min")])["row_min"].to_numpy()
    repeated = len(named) - len(first)
    if repeated:
        _refuse_other_rows(named, column)
        named, rows_kept = named.take(np.sort(first)), rows_kept[np.sort(first)]
        messages.append(f"{repeated} rows repeat another and were skipped")
    return named, rows_kept, messages, unnamed + repeated


def _refuse_other_rows(table: pa.Table, column: str) -> None:
    """`CurateError` when two rows of one path differ."""
    plain = [item.name for item in table.schema if not pa.types.is_nested(item.type)]
    distinct = table.select(plain).group_by(plain).aggregate([])
    per_path = distinct.group_by(column).aggregate([([], "count_all")])
    several = per_path.filter(pc.greater(per_path["count_all"], 1))
    if len(several):
        raise CurateError(
            f"{len(several)} images are in several rows that differ, first {several[column][0].as_py()!r}: a "
            "manifest has one row for each image. Human answers belong in a table of their own: "
            "`avhcurate votes NAME FILE`"
        )


def _places(paths: pa.ChunkedArray, base: Path) -> pa.ChunkedArray:
    """Absolute paths or URLs of what the manifest names; `CurateError` for URLs that nothing installed can read."""
    url = pc.match_substring_regex(paths, URL_PATTERN)
    _check_protocols(pc.filter(paths, url))
    absolute = pc.match_substring_regex(paths, r"^([/\\\\]|[A-Za-z]:[/\\\\])")
    joined = pc.binary_join_element_wise(pa.scalar(str(base)), paths, "/")
    places = pc.if_else(pc.or_(url, absolute), paths, joined)
    if pc.any(pc.starts_with(places, "file://")).as_py():
        return pa.chunked_array([pa.array([_local(place) for place in places.to_pylist()], pa.string())])
    return places


def _local(place: str) -> str:
    """
    >>> _local("file:///data/a%20b.jpg"), _local("/data/c.jpg")
    ('/data/a b.jpg', '/data/c.jpg')
    """
    return url2pathname(urlsplit(place).path) if place.startswith("file://") else place


def _check_protocols(urls: pa.ChunkedArray) -> None:
    protocols = set(pc.utf8_lower(pc.replace_substring_regex(urls, r"://.*", "")).unique().to_pylist())
    for protocol in sorted(protocols - {"http", "https", "file"}):
        try:
            import fsspec

            fsspec.get_filesystem_class(protocol)
        except (ImportError, ValueError) as problem:
            raise CurateError(
                f"{protocol}:// addresses cannot be read here ({problem}): run `{install_command('remote')}` "
                "or the fsspec package for it"
            ) from problem


# --- lists of paths ---------------------------------------------------------------------------------------------


def read_list(path: Path, options: ImportOptions) -> SourceTable:
    """One sample a line. Paths start at `options.root`, else at the list's own folder; a path may hold spaces.

    Classes are those of the options, else the names of the first folders where each class has one of its own, as
    VisDA's training list has them; else numbers.
    """
    if options.column is not None:
        raise CurateError(f"a list of images has no column {options.column!r}: leave the column options out")
    if not path.is_file():
        raise CurateError(f"the list {path} does not exist: give list:FILE with a line `path label_index` an image")
    names, labels = _lines(path)
    table = pa.table({"path": names, "label": pa.array(labels, pa.int64())})
    options = replace(options, classes=options.classes or _by_folders(names, labels))
    return _read_paths(table, "path", path, options, kind="list")


def _lines(path: Path) -> tuple[list[str], list[int]]:
    """Paths and labels; a line without a number at its end is refused, naming it."""
    names, labels = [], []
    lines = _text(path, "a list has a line `path label_index` an image").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parts = line.strip().rsplit(maxsplit=1)
        if len(parts) != 2 or not parts[1].isdecimal() or int(parts[1]) >= MAX_CLASSES:
            raise CurateError(
                f"line {number} of {path} ends in no class index: each line is `path label_index`, the index from 0"
            )
        names.append(parts[0].removeprefix("./"))
        labels.append(int(parts[1]))
    if not names:
        raise CurateError(f"{path} is empty: a list has a line `path label_index` an image")
    return names, labels


def _text(path: Path, layout: str) -> str:
    """The text of a file that a person wrote; CurateError with its layout where it is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise CurateError(f"{path} is not UTF-8 text: save it so; {layout}") from problem


def _by_folders(paths: list[str], labels: list[int]) -> list[str] | None:
    """The first folder of each class, where each class from 0 on has one of its own; None elsewhere."""
    pairs = sorted(
        {(label, path.split("/", 1)[0] if "/" in path else "") for path, label in zip(paths, labels, strict=True)}
    )
    names = [name for _, name in pairs]
    if [code for code, _ in pairs] != list(range(len(pairs))) or len(set(names)) < len(names) or "" in names:
        return None
    return names


def class_list(text: str | None) -> list[str] | None:
    """The class names of `--classes`: a known order, a file with a name a line, or names with commas between.

    >>> class_list("cat, dog")
    ['cat', 'dog']
    """
    if text is None:
        return None
    if text in KNOWN_CLASSES:
        return list(KNOWN_CLASSES[text])
    path = user_path(text)
    if _is_file(path):
        names = [line.strip() for line in _text(path, "a file of class names has one a line").splitlines()]
        names = [name for name in names if name]
    else:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if len(names) < 2 or path.suffix:
            known = ", ".join(KNOWN_CLASSES)
            raise CurateError(
                f"--classes {text!r} is no file, no list as cat,dog, and no known order ({known}): give one of them"
            )
    if len(set(names)) < len(names):
        raise CurateError(f"--classes {text!r} names a class twice: give each class its own name")
    return names


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # names of many classes are longer together than that of a file may be
        return False
