"""A source as a table of samples, without their pixels: labels, splits, votes and the user's columns."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.sources.brought import Brought
from avhcurate.datasets.table.columns import EXTRA, STANDARD
from avhcurate.errors import CurateError, Option, Text
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.disk.columns import (
    MISSING,
    class_names,
    declared_classes,
    find_label_column,
    find_name_column,
    find_split_column,
    find_votes_column,
    is_binary,
    is_text,
    listed,
)

#: More classes than any classifier has: such a column is an identifier.
MAX_CLASSES = 100_000
_CHOOSE = Text(f"Choose another column with {Option('label_column')}")


class Labels(NamedTuple):
    """`codes` int32 (N,), null for a sample without a label; `classes` their names by index.

    `declared` is False if labels are bare integers, so that more classes may exist than were seen.
    """

    codes: pa.ChunkedArray
    classes: list[str]
    declared: bool


def encode_labels(
    column: pa.ChunkedArray, messages: list[str], *, declared: list[str] | None = None, title: str = "label"
) -> Labels:
    """Return indices of a column of labels; add what the user should know to `messages`.

    `declared` is the complete class list if the source has one. Without it the classes are the names in alphabetical
    order, or the integers from 0 to the largest. Integer -1 means "no label".

    >>> encode_labels(pa.chunked_array([["dog", "cat", None]]), []).codes.to_pylist()
    [1, 0, None]
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        column = column.cast(pa.int32())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
        declared = declared or ["false", "true"]
    if is_text(column.type):
        return _encode_names(column, declared, title, messages)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _encode_integers(column, declared, title, messages)
    raise CurateError(f"Column {title!r} holds {column.type} values, but a label is an integer or a name.", fix=_CHOOSE)


def _encode_names(column: pa.ChunkedArray, classes: list[str] | None, title: str, messages: list[str]) -> Labels:
    column = pc.utf8_trim_whitespace(column)
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    if classes is None:
        classes = sorted(column.unique().drop_null().to_pylist())
    else:
        column = _without(column, [word for word in MISSING if word not in classes], messages)
    _check_number(len(classes), title)
    codes = pc.index_in(column, value_set=pa.array(classes, column.type), skip_nulls=True)
    unknown = pc.filter(column, pc.and_(pc.is_valid(column), pc.is_null(codes)))
    if len(unknown):
        raise CurateError(
            f"Column {title!r} names {listed(unknown.unique().to_pylist(), 5)}, not among the declared classes "
            f"{listed(classes, 5)}.",
            fix=Text("Correct the names. ", _CHOOSE),
        )
    return Labels(codes.cast(pa.int32()), classes, bool(classes))


def _without(column: pa.ChunkedArray, values: list[Any], messages: list[str]) -> pa.ChunkedArray:
    """Return the column with null in place of values that mean no label, and say how many there are."""
    missing = pc.is_in(column, value_set=pa.array(values, column.type))
    if number := pc.sum(missing).as_py():
        messages.append(f"{number} images have label {listed(values)} and are imported without a label")
    return pc.if_else(missing, pa.scalar(None, column.type), column)


def _encode_integers(column: pa.ChunkedArray, declared: list[str] | None, title: str, messages: list[str]) -> Labels:
    if pa.types.is_floating(column.type):  # integers with gaps
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    try:
        column = _without(column.cast(pa.int64()), [-1], messages)
    except pa.ArrowInvalid as problem:
        raise CurateError(f"Column {title!r} holds numbers that are not class indices.", fix=_CHOOSE) from problem
    low = 0
    high = -1
    if column.null_count < len(column):
        low, high = pc.min_max(column).as_py().values()
    if low < 0:
        raise CurateError(f"Column {title!r} holds label {low}. Labels count from 0; only -1 means no label.")
    if declared is not None and high >= len(declared):
        raise CurateError(
            f"Column {title!r} holds labels up to {high}, but {len(declared)} classes are declared. Correct the labels "
            "or the class list."
        )
    _check_number(high + 1, title)
    classes = declared or [str(index) for index in range(high + 1)]
    return Labels(column.cast(pa.int32()), _distinct(classes, messages), declared is not None)


def with_names(labels: Labels, names: pa.ChunkedArray, messages: list[str]) -> Labels | None:
    """Return the labels with the class names of another column; None if a class has several, or other declared ones."""
    pairs = pd.DataFrame({"code": labels.codes.to_pandas(), "name": names.cast(pa.string()).to_pandas()})
    pairs = pairs.dropna().drop_duplicates()
    names_of = dict(zip(pairs["code"].astype(int), pairs["name"], strict=True))
    classes = [names_of.get(code, name) for code, name in enumerate(labels.classes)]
    if len(names_of) < len(pairs) or (labels.declared and classes != labels.classes):
        return None
    return labels._replace(classes=_distinct(classes, messages))


def _distinct(classes: list[str], messages: list[str]) -> list[str]:
    """Return the classes with a number behind each name that several of them share.

    >>> _distinct(["crane", "dog", "crane"], [])
    ['crane (0)', 'dog', 'crane (2)']
    """
    times = Counter(classes)
    distinct = [name + f" ({index})" * (times[name] > 1) for index, name in enumerate(classes)]
    if distinct != classes:
        messages.append(f"classes with the same name got their number: {listed(set(distinct) - set(classes))}")
    return distinct


def _check_number(classes: int, title: str) -> None:
    if classes > MAX_CLASSES:
        raise CurateError(f"Column {title!r} would make {classes} classes. It looks like an identifier.", fix=_CHOOSE)


#: Column names of the table and of exports.
_PROGRAM = {*STANDARD, *EXTRA, "hsf_source", "deciders", "image", "set", "gap"}
_TAKEN = {name.casefold() for name in _PROGRAM | {key for key, score in SCORES.items() if not score.plugin}}


@dataclass(frozen=True)
class ImportOptions:
    """Columns that the user names; `root`, folder or address that relative paths start from; the class names.

    `within`: the exports whose images are sought, which are not asked again.
    """

    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    votes_column: str | None = None
    root: Path | str | None = None
    classes: list[str] | None = None
    within: tuple[Path, ...] = ()

    def refuse_columns(self, source: str) -> None:
        """Refuse a column that was named for a source without columns."""
        column = self.image_column or self.label_column or self.split_column or self.votes_column
        if column is not None:
            raise CurateError(f"{source} has no column {column!r}. Leave the column options out.")


#: Kinds of sources.
SourceKind = Literal["folder", "manifest", "parquet", "list", "webdataset"]


@dataclass(frozen=True)
class SourceTable:
    """A source as read: `samples` has columns path, split, label, the user's own, _file, _row (N rows).

    `evidence` are hashes of what the table cannot show: sizes and times of files, blocks of Parquet files, a
    named column of images. `votes` holds K counts a sample if the source has such a column. `brought`: what people had
    decided about the samples, in an export or a tool.
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
    brought: Brought | None = None


#: Where the images of samples are: `_row` counts within `_file`, null for a file that is an image.
_PLACES = pa.schema([("path", pa.string()), ("split", pa.string()), ("_file", pa.string()), ("_row", pa.int64())])


def interpret(
    table: pa.Table,
    options: ImportOptions,
    places: pd.DataFrame,
    *,
    image_column: str | None = None,
    lists: Sequence[str] = (),
    messages: list[str],
    **facts: Any,
) -> SourceTable:
    """Return labels, splits, votes and the user's columns of a table that no longer holds its images.

    `places` has the columns path and _file, and perhaps split and _row; a column of splits in the table replaces
    `split`. `lists`: columns of lists of numbers, which the table lacks. `facts` are other fields of the SourceTable.
    """
    placed = pa.Table.from_pandas(places.reindex(columns=_PLACES.names), _PLACES, preserve_index=False)
    split = placed["split"]
    labels, used = _labels(table, options, len(placed), messages)
    votes = None
    votes_column = find_votes_column(table.schema, options.votes_column)
    if votes_column is not None:
        votes = table[votes_column]
        lengths = pc.list_value_length(votes).unique().drop_null().to_pylist()
        classes = len(labels.classes)
        if len(lengths) != 1 or lengths[0] < classes or (labels.declared and lengths[0] > classes):
            problem = f"column {votes_column!r} holds {listed(lengths, 3)} counts an image for {classes} classes"
            if options.votes_column:
                raise CurateError(f"The {problem}.", fix=f"Correct it or choose another with {Option('votes')}")
            messages.append(f"{problem} and is not used as votes")
            votes = votes_column = None
        else:  # there are as many classes as counts
            unseen = [str(index) for index in range(classes, lengths[0])]
            labels = labels._replace(classes=labels.classes + unseen, declared=True)
    if split_column := find_split_column(table.schema, options.split_column):
        split = table[split_column].cast(pa.string())
    others = {*used, votes_column, split_column}
    users, renamed = user_columns(table.select([name for name in table.column_names if name not in others]))
    if lists:
        attach = "attach FILE:COLUMN as features to make a run of one"
        renamed.append(f"list columns left out: {listed(lists)} ({attach})")
    # A database cannot keep a NUL, and no file has one in its name.
    path = pc.replace_substring(placed["path"], "\0", "\ufffd")
    samples = {"path": path, "split": split, "label": labels.codes, **users}
    return SourceTable(
        samples=pa.table(samples | {name: placed[name] for name in ("_file", "_row")}),
        classes=labels.classes,
        classes_declared=labels.declared,
        image_column=image_column,
        votes=votes,
        votes_column=votes_column,
        messages=messages + renamed,
        **facts,
    )


def _labels(table: pa.Table, options: ImportOptions, size: int, messages: list[str]) -> tuple[Labels, list[str]]:
    """Return the labels, and the columns that they come from."""
    column = find_label_column(table.schema, options.label_column)
    if column is None:
        messages.append(
            f"no label column among {listed(table.column_names)}: images have no label (name one at import)"
        )
        names = options.classes or []
        return Labels(pa.chunked_array([pa.nulls(size, pa.int32())]), names, bool(names)), []
    declared = options.classes or declared_classes(table.schema, column)
    labels = encode_labels(table[column], messages, declared=declared, title=column)
    name_column = find_name_column(table.schema, column)
    if name_column is None or is_text(table[column].type):
        return labels, [column]
    if with_classes := with_names(labels, table[name_column], messages):
        return with_classes, [column, name_column]
    messages.append(f"column {name_column!r} does not name the classes of {column!r} and is kept as one of yours")
    return labels, [column]


# --- columns of the user ---------------------------------------------------------------------------------------


def user_columns(table: pa.Table) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Return the user's own columns by free names, and messages on those renamed or left out.

    Numbers, texts, truths and times are kept; nested values and raw bytes are left out. Class indices that Hugging
    Face declares become class names.
    """
    declared = class_names(table.schema)
    columns = {field.name: table[field.name] for field in table.schema if _is_plain(field.type)}
    for name, column in columns.items():
        if name in declared and pa.types.is_integer(column.type):
            codes = pa.array(range(len(declared[name])), column.type)
            column = pc.take(pa.array(declared[name], pa.string()), pc.index_in(column, codes, skip_nulls=True))
        if is_text(column.type):  # of any storage
            column = column.cast(pa.string())
        columns[name] = column
    free = free_names(columns)
    messages = []
    if renamed := [f"{old} to {new}" for old, new in free.items() if old != new]:
        messages.append(f"columns renamed because their names are used by the program: {listed(renamed)}")
    if left_out := [name for name in table.column_names if name not in columns]:
        messages.append(f"columns left out because their values are nested or raw bytes: {listed(left_out)}")
    return {free[old]: column for old, column in columns.items()}, messages


def free_names(names: Iterable[str]) -> dict[str, str]:
    """Return a name for each column that differs from the program's and the others', compared without case as in SQL.

    >>> free_names(["Label", "user_label", "_row", "domain"])
    {'Label': 'user_Label_2', 'user_label': 'user_label', '_row': 'user_row', 'domain': 'domain'}
    """
    free = dict.fromkeys(names, "")
    seen = set(_TAKEN)

    def changes(name: str) -> bool:
        return not name or name.startswith("_") or name.casefold() in _TAKEN

    for name in sorted(free, key=changes):  # names that can stay go first
        new = base = name
        if changes(name):
            new = base = f"user_{name.lstrip('_')}"
        number = 1
        while new.casefold() in seen:
            number += 1
            new = f"{base}_{number}"
        free[name] = new
        seen.add(new.casefold())
    return free


def _is_plain(kind: pa.DataType) -> bool:
    odd = pa.types.is_nested(kind) or pa.types.is_interval(kind) or isinstance(kind, pa.BaseExtensionType)
    return not odd and not is_binary(kind)
