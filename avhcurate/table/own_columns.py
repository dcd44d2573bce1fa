"""The user's own columns: what each can do by its type, what they hold, and which end of them means harder."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from avhcurate.data.datasets import Harder
from avhcurate.scores import Score
from avhcurate.table.filters import quote

Kind = Literal["number", "date", "text", "yes or no", "other"]

#: Columns that one query summarises.
_A_QUERY = 250
#: A text column of at most so many values filters by them and groups.
FEW = 100

_NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE"),
)


@dataclass(frozen=True)
class Summary:
    """What a column of the user's holds: its kind, how many samples have a value, and of it what its kind has.

    `distinct`, of text: about how many values there are. `low` and `high`: the smallest and largest finite number, or
    the first and last day.
    """

    kind: Kind
    filled: int
    distinct: int | None = None
    low: float | datetime.date | None = None
    high: float | datetime.date | None = None

    @property
    def groups(self) -> bool:
        """Whether its values are few, so that samples can be grouped and filtered by them."""
        return self.kind == "yes or no" or (self.kind == "text" and 0 < (self.distinct or 0) <= FEW)


def kind_of(type: str) -> Kind:
    """What a column of a DuckDB type can do.

    >>> kind_of("DOUBLE"), kind_of("TIMESTAMP WITH TIME ZONE"), kind_of("VARCHAR"), kind_of("INTERVAL")
    ('number', 'date', 'text', 'other')
    """
    if type in _NUMBERS:
        return "number"
    if type == "DATE" or type.startswith("TIMESTAMP"):
        return "date"
    return "text" if type == "VARCHAR" else "yes or no" if type == "BOOLEAN" else "other"


def own_score(name: str, harder: Harder | Literal[""]) -> Score:
    """A column of numbers described as a score is; `harder` is "" until somebody says it."""
    said = f"{harder} means harder" if harder else "which end is harder is not said"
    return Score(
        key=name,
        name=name,
        formula="",
        sentence=f"A column of yours: {said}.",
        harder=harder,
        needs="table",
        low="-∞",
        high="∞",
        needs_label=False,
        reference="",
    )


def summarise(kinds: Mapping[str, Kind], read: Callable[[str], Sequence[Any]]) -> dict[str, Summary]:
    """What columns of these kinds hold, by name; `read` gives the one row of a query.

    One query, or several where there are very many: DuckDB's planning takes the square of their number.
    """
    found: dict[str, Summary] = {}
    columns = iter(kinds.items())
    while part := dict(islice(columns, _A_QUERY)):
        values = [value for column, kind in part.items() for value in _summary_values(kind, quote(column))]
        row = read(f"SELECT {', '.join(values)} FROM samples")
        found |= {column: Summary(kind, *row[4 * at : 4 * at + 4]) for at, (column, kind) in enumerate(part.items())}
    return found


def _summary_values(kind: Kind, column: str) -> tuple[str, str, str, str]:
    """Four values of a column: filled, distinct, low, high."""
    filled = f"count({column})"
    if kind == "number":
        # Not FILTER, which takes ten times as long over many columns.
        finite = f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END"
        return filled, "NULL", f"min({finite})", f"max({finite})"
    if kind == "date":
        days = f"CASE WHEN {column}::DATE BETWEEN '0001-01-01' AND '9999-12-31' THEN {column}::DATE END"
        return filled, "NULL", f"min({days})", f"max({days})"
    return filled, f"approx_count_distinct({column})" if kind == "text" else "NULL", "NULL", "NULL"
