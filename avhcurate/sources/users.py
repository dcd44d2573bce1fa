"""The user's own columns, renamed where the program uses their names itself."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.columns import class_names, is_text, listed
from avhcurate.table.sample_table import COLUMNS, DYNAMICS, EXTRA

#: Names of the table, and of what exports put beside its columns.
_TAKEN = frozenset((*COLUMNS, *DYNAMICS, *EXTRA, "hsf_source", "image", "set", "gap"))


def user_columns(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The user's own columns under names that are free, and what was renamed or left out.

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
