"""Given labels of a source, integers or names, as indices into one class list."""

from collections import Counter
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.columns import MISSING, is_text, listed
from avhcurate.errors import CurateError

#: More classes than any classifier has: such a column is an identifier.
MAX_CLASSES = 100_000


@dataclass(frozen=True)
class Labels:
    """`codes` int32 (N,), null where a sample has no label; `classes` their names by index.

    `declared` is False where labels are bare integers, so that more classes may exist than were seen.
    """

    codes: pa.ChunkedArray
    classes: list[str]
    declared: bool
    messages: list[str]


def encode_labels(column: pa.ChunkedArray, *, declared: list[str] | None = None, title: str = "label") -> Labels:
    """Indices of a column of labels.

    `declared` is the complete class list when the source has one. Without it the classes are the names in order of
    the alphabet, or the integers from 0 to the largest, named by themselves. Integer -1 means "no label".

    >>> encode_labels(pa.chunked_array([["dog", "cat", None]])).codes.to_pylist()
    [1, 0, None]
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        column = column.cast(pa.int32())
    if pa.types.is_boolean(column.type):
        return encode_labels(column.cast(pa.int8()), declared=declared or ["false", "true"], title=title)
    if is_text(column.type):
        return _encode_names(column, declared, title)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _encode_integers(_whole(column, title), declared, title)
    raise CurateError(
        f"column {title!r} holds {column.type} values, but a sample has one label, an integer or a name: "
        "choose another with --label-column"
    )


def _encode_names(column: pa.ChunkedArray, declared: list[str] | None, title: str) -> Labels:
    column = pc.utf8_trim_whitespace(column)
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    classes = declared or sorted(column.unique().drop_null().to_pylist())
    _check_number(len(classes), title)
    column, messages = _words_for_none(column, classes, declared is not None, title)
    codes = pc.index_in(column, value_set=pa.array(classes, column.type), skip_nulls=True)
    unknown = pc.filter(column, pc.and_(pc.is_valid(column), pc.is_null(codes)))
    if len(unknown):
        raise CurateError(
            f"column {title!r} names {listed(unknown.unique().to_pylist(), 5)}, not among the declared classes "
            f"{listed(classes, 5)}: correct the names or choose another with --label-column"
        )
    return Labels(codes.cast(pa.int32()), classes, bool(classes), messages)


def _words_for_none(
    column: pa.ChunkedArray, classes: list[str], declared: bool, title: str
) -> tuple[pa.ChunkedArray, list[str]]:
    """The column without a declared class's "nan", which means none; what to say of one that is taken as a class."""
    words = [word for word in MISSING if (word in classes) != declared]
    said = pc.is_in(column, value_set=pa.array(words, column.type))
    number = pc.sum(said).as_py() or 0
    if not number:
        return column, []
    if not declared:
        return column, [
            f"column {title!r} says {listed(words)} of {number} samples, which is taken as a class: leave the cell "
            "empty where there is no label"
        ]
    return pc.if_else(said, pa.scalar(None, column.type), column), [
        f"{number} samples have label NaN and are taken as unlabelled"
    ]


def _whole(column: pa.ChunkedArray, title: str) -> pa.ChunkedArray:
    """The column as int64; floats, which a column with gaps becomes on its way, must be whole numbers."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid as problem:
        raise CurateError(
            f"column {title!r} holds numbers that are no class index: choose another with --label-column"
        ) from problem


def _encode_integers(column: pa.ChunkedArray, declared: list[str] | None, title: str) -> Labels:
    messages = []
    without = pc.sum(pc.equal(column, -1)).as_py() or 0
    if without:
        column = pc.if_else(pc.equal(column, -1), pa.scalar(None, pa.int64()), column)
        messages.append(f"{without} samples have label -1 and are taken as unlabelled")
    span = pc.min_max(column).as_py()
    low, high = span["min"] or 0, -1 if span["max"] is None else span["max"]
    if low < 0:
        raise CurateError(f"column {title!r} holds label {low}: labels count from 0, and only -1 means unlabelled")
    if declared is not None and high >= len(declared):
        beyond = pc.sum(pc.greater_equal(column, len(declared))).as_py()
        raise CurateError(
            f"column {title!r} holds labels up to {high} ({beyond} samples beyond the range), but {len(declared)} "
            "classes are declared: correct the labels or the class list"
        )
    _check_number(high + 1, title)
    classes, more = _distinct([str(index) for index in range(high + 1)] if declared is None else declared)
    return Labels(column.cast(pa.int32()), classes, declared is not None, messages + more)


def with_names(labels: Labels, names: pa.ChunkedArray) -> Labels | None:
    """The labels with the class names that stand beside them; None where a class has several names.

    Names that do not agree with declared ones are no names of classes either.
    """
    pairs = pa.table({"code": labels.codes, "name": names.cast(pa.string())}).group_by(["code", "name"]).aggregate([])
    pairs = pairs.filter(pc.and_(pc.is_valid(pairs["code"]), pc.is_valid(pairs["name"])))
    named = dict(zip(pairs["code"].to_pylist(), pairs["name"].to_pylist(), strict=True))
    if len(named) < len(pairs):
        return None
    if labels.declared:
        return labels if all(labels.classes[code] == name for code, name in named.items()) else None
    classes, more = _distinct([named.get(code, number) for code, number in enumerate(labels.classes)])
    return replace(labels, classes=classes, messages=labels.messages + more)


def _distinct(classes: list[str]) -> tuple[list[str], list[str]]:
    """Class names of which no two are the same: a shared one gets its number.

    >>> _distinct(["crane", "dog", "crane"])[0]
    ['crane (0)', 'dog', 'crane (2)']
    """
    shared = {text for text, times in Counter(classes).items() if times > 1}
    messages = [f"classes of the same name got their number: {listed(sorted(shared))}"] if shared else []
    return [f"{text} ({index})" if text in shared else text for index, text in enumerate(classes)], messages


def _check_number(classes: int, title: str) -> None:
    if classes > MAX_CLASSES:
        raise CurateError(
            f"column {title!r} would make {classes} classes, more than {MAX_CLASSES}: "
            "it looks like an identifier, choose another with --label-column"
        )


def unlabelled(size: int, message: str) -> Labels:
    """Labels of a source that has none."""
    return Labels(pa.chunked_array([pa.nulls(size, pa.int32())]), [], False, [message])
