"""JSON records as a table: JSON lines, or a list of objects."""

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from avhcurate.errors import CurateError
from avhcurate.people.files.label_studio import read_json
from avhcurate.workspace.disk.budget import check_file
from avhcurate.workspace.disk.json_text import parsed
from avhcurate.workspace.disk.tabular import MOST_COLUMNS

#: Different fields of the objects of a file: each becomes a column.
_MOST_FIELDS = MOST_COLUMNS


def read_json_rows(path: Path, wanted: Container[str] | None = None) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines, or of one JSON list; with `wanted`, only these fields of each."""
    rows = list(_lines(path)) if path.suffix.casefold() != ".json" else read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CurateError(f"{path.name} is not a list of JSON objects. Give an object for each image.")
    if wanted is None:
        return rows
    return [{name: value for name, value in row.items() if name in wanted} for row in rows]


def _lines(path: Path) -> Iterable[Any]:
    check_file(path)
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                value = parsed(line)
            except ValueError as problem:
                raise CurateError(f"Line {number} of {path.name} is not JSON ({problem}). Is it complete?") from problem
            if not isinstance(value, dict):
                raise CurateError(f"Line {number} of {path.name} is not a JSON object. Give one for each image.")
            yield value


def table_of_rows(rows: Iterable[Mapping[str, Any]], title: str) -> pa.Table:
    """Return a column for each field of the rows, null where a row lacks it; values of several types become texts.

    Objects are left out, and lists of other things than texts.

    >>> table_of_rows([{"a": 1, "b": True}, {"a": 2.5, "c": {}}], "x").to_pydict()
    {'a': [1.0, 2.5], 'b': [True, None]}
    """
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > _MOST_FIELDS:
        raise CurateError(f"{title} has {len(names):,} different fields (limit {_MOST_FIELDS:,}). Keep those you need.")
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    kept = {_text(name): column for name, column in columns.items() if column is not None}
    if not kept:
        raise CurateError(f"{title} has no field with a value. Give an object for each image, with a path.")
    return pa.table(kept)


def _column(values: list[Any]) -> pa.Array | None:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {list} and all(isinstance(item, str) for value in values for item in value or ()):
        texts = [None if value is None else [_text(item) for item in value] for value in values]
        return pa.array(texts, pa.list_(pa.string()))
    if kinds & {list, dict}:
        return None
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds and kinds <= {int, float}:
        try:
            return pa.array(values, pa.float64() if float in kinds else pa.int64())
        except (OverflowError, pa.ArrowException):  # more digits than a number has
            pass
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: Any) -> str:
    """Return a text that a table can hold."""
    return str(value).encode(errors="replace").decode()
