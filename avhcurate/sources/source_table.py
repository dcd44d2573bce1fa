"""A source as a table of samples, without their pixels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.columns import (
    check_column,
    class_names,
    declared_classes,
    find_label_column,
    find_name_column,
    find_split_column,
    find_votes_column,
    is_text,
    listed,
)
from avhcurate.errors import CurateError
from avhcurate.sources.labels import Labels, encode_labels, unlabelled, with_names
from avhcurate.sources.list_columns import ListSource
from avhcurate.table.sample_table import COLUMNS, DYNAMICS, EXTRA, OF_NEIGHBOURS, PROTOTYPES

#: Column names of the table and of exports.
_TAKEN = frozenset((*COLUMNS, *PROTOTYPES, *OF_NEIGHBOURS, *DYNAMICS, *EXTRA, "hsf_source", "image", "set", "gap"))


@dataclass(frozen=True)
class ImportOptions:
    """Columns that the user names; `root`, the folder that relative paths start from; the class names."""

    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    votes_column: str | None = None
    root: Path | None = None
    classes: list[str] | None = None

    @property
    def column(self) -> str | None:
        """A column that was named, for sources that have none."""
        columns = (self.image_column, self.label_column, self.split_column, self.votes_column)
        return next((column for column in columns if column is not None), None)


Column: TypeAlias = Sequence[Any] | np.ndarray  # Arrow's columns are sequences too
#: Kinds of sources.
SourceKind = Literal["folder", "manifest", "parquet", "list", "webdataset"]


@dataclass(frozen=True)
class SourceTable:
    """A source as read: `samples` has columns path, split, label, the user's own, _file, _row (N rows).

    `evidence` are hashes of what the table cannot show: sizes and times of files, blocks of Parquet files, a
    named column of images.
    `votes` holds K counts a sample where the source has such a column; `lists` are columns of lists of numbers.
    """

    kind: SourceKind
    samples: pa.Table
    classes: list[str]
    classes_declared: bool
    evidence: list[str]
    image_column: str | None = None
    votes: pa.ChunkedArray | None = None
    votes_column: str | None = None
    skipped: int = 0
    messages: list[str] = field(default_factory=list)
    lists: ListSource | None = None


def interpret(
    table: pa.Table,
    options: ImportOptions,
    *,
    paths: Column,
    files: Column,
    rows: Column | None = None,
    splits: Column | None = None,
    kind: SourceKind,
    image_column: str | None = None,
    evidence: list[str],
    skipped: int = 0,
    messages: list[str],
    lists: ListSource | None = None,
) -> SourceTable:
    """Labels, splits, votes and the user's columns of a table that no longer holds its images.

    `rows` are places within `files`, None for files that are images. A column of splits goes before `splits`.
    """
    _check_columns(table, options, image_column)
    labels, label_columns = _labels(table, options, len(paths))
    votes_column = find_votes_column(table.schema, options.votes_column)
    if votes_column is not None:
        unfit = _unfit(table[votes_column], labels)
        if unfit and options.votes_column:
            raise CurateError(f"column {votes_column!r} {unfit}: correct it or choose another with --votes")
        if unfit:
            messages = [*messages, f"column {votes_column!r} is not taken as votes: it {unfit}"]
            votes_column = None
        else:
            labels = _classes_by_votes(labels, table[votes_column])
    split_column = find_split_column(table.schema, options.split_column)
    if split_column is not None:
        splits = table[split_column]
    used = {*label_columns, votes_column, split_column}
    users, renamed = user_columns(table.select([name for name in table.column_names if name not in used]))
    samples = pa.table(
        {
            # A database cannot keep a NUL, and no file has one in its name.
            "path": pc.replace_substring(_column(paths, pa.string()), "\0", "\ufffd"),
            "split": _column([None] * len(paths) if splits is None else splits, pa.string()),
            "label": labels.codes,
            **{name: users[name] for name in users.column_names},
            "_file": _column(files, pa.string()),
            "_row": _column([None] * len(paths) if rows is None else rows, pa.int64()),
        }
    )
    return SourceTable(
        kind=kind,
        samples=samples,
        classes=labels.classes,
        classes_declared=labels.declared,
        evidence=evidence,
        image_column=image_column,
        votes=None if votes_column is None else table[votes_column],
        votes_column=votes_column,
        skipped=skipped,
        messages=[*messages, *labels.messages, *renamed],
        lists=lists,
    )


def _check_columns(table: pa.Table, options: ImportOptions, image_column: str | None) -> None:
    """Refuses a column that the source lacks, naming all that it has, also the one taken out for its images."""
    names = [*filter(None, [image_column]), *table.column_names]
    for option, wanted in (("--label-column", options.label_column), ("--split-column", options.split_column)):
        if wanted is not None:
            check_column(wanted, names, option)


def _column(values: Column, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return values.cast(kind) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)


def _labels(table: pa.Table, options: ImportOptions, size: int) -> tuple[Labels, list[str]]:
    """The labels, and the columns that they take up."""
    column = find_label_column(table.schema, options.label_column)
    if column is None:
        message = f"no label column among {listed(table.column_names)}, so samples are unlabelled (--label-column)"
        return unlabelled(size, message), []
    declared = options.classes or declared_classes(table.schema, column)
    labels = encode_labels(table[column], declared=declared, title=column)
    name_column = None if is_text(table[column].type) else find_name_column(table.schema, column)
    if name_column is None:
        return labels, [column]
    named = with_names(labels, table[name_column])
    if named is None:
        message = f"column {name_column!r} does not name the classes of {column!r} and is kept as one of yours"
        return replace(labels, messages=[*labels.messages, message]), [column]
    return named, [column, name_column]


def _unfit(votes: pa.ChunkedArray, labels: Labels) -> str:
    """Why a column cannot hold a count for each class; empty when it can."""
    lengths = pc.unique(pc.list_value_length(votes).drop_null()).to_pylist()
    classes = len(labels.classes)
    if len(lengths) == 1 and (lengths[0] == classes or (not labels.declared and lengths[0] > classes)):
        return ""
    return f"holds {listed(lengths, 3)} counts a sample, but there are {classes} classes"


def _classes_by_votes(labels: Labels, votes: pa.ChunkedArray) -> Labels:
    """The classes are as many as the counts where labels alone do not say how many there are."""
    length = pc.max(pc.list_value_length(votes)).as_py()
    more = [str(index) for index in range(len(labels.classes), length)]
    return Labels(labels.codes, labels.classes + more, True, labels.messages)


# --- columns of the user ---------------------------------------------------------------------------------------


def user_columns(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The user's own columns under free names, and messages on those renamed or left out.

    Numbers, texts, truths and times are kept; nested values and raw bytes are left out. Class indices that Hugging
    Face declares become class names.
    """
    declared = class_names(table.schema)
    kept = {field.name: table[field.name] for field in table.schema if _is_plain(field.type)}
    for name in kept.keys() & declared.keys():
        kept[name] = _named(kept[name], declared[name])
    left_out = [name for name in table.column_names if name not in kept]
    names = free_names(kept)
    renamed = [f"{old} to {new}" for old, new in names.items() if old != new]
    messages = []
    if renamed:
        messages.append(f"columns renamed because their names are taken: {listed(renamed)}")
    if left_out:
        messages.append(f"columns left out because their values are nested or raw bytes: {listed(left_out)}")
    return pa.table({names[old]: _decoded(column) for old, column in kept.items()}), messages


def free_names(names: Iterable[str]) -> dict[str, str]:
    """A name for each column that clashes with none of the program's or the others', compared without case as in SQL.

    >>> free_names(["Label", "user_label", "_row", "domain"])
    {'Label': 'user_Label_2', 'user_label': 'user_label', '_row': 'user_row', 'domain': 'domain'}
    """
    names = list(names)
    seen = {name.casefold() for name in _TAKEN}
    free: dict[str, str] = {}
    for name in names:
        if name and not name.startswith("_") and name.casefold() not in seen:
            free[name] = name
            seen.add(name.casefold())
    for name in names:
        if name not in free:
            free[name] = _numbered(f"user_{name.lstrip('_')}", seen)
            seen.add(free[name].casefold())
    return {name: free[name] for name in names}


def _numbered(name: str, seen: set[str]) -> str:
    free, number = name, 2
    while free.casefold() in seen:
        free, number = f"{name}_{number}", number + 1
    return free


def _named(column: pa.ChunkedArray, classes: list[str]) -> pa.ChunkedArray:
    """Class names in place of their indices; null where there is no such class."""
    if not pa.types.is_integer(column.type):
        return column
    inside = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(classes)))
    return pc.take(pa.array(classes, pa.string()), pc.if_else(inside, column, pa.scalar(None, column.type)))


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text of any storage as plain text."""
    return column.cast(pa.string()) if is_text(column.type) else column


def _is_plain(kind: pa.DataType) -> bool:
    return (
        is_text(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
        or (pa.types.is_temporal(kind) and not pa.types.is_interval(kind))
    )
