"""The user's own columns: what each can do by its type, what it holds, and which end of it means harder."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from avhcurate.datasets.table.columns import quote
from avhcurate.measures.scores import Score
from avhcurate.workspace.data.datasets import Harder
from avhcurate.workspace.data.runs import WORDS

Kind = Literal["number", "date", "text", "yes or no", "other"]

#: Columns that one query summarises: DuckDB's planning takes the square of their number.
_A_QUERY = 250
#: A text column of at most this many values filters by them and groups.
FEW = 100

_NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE"),
)


@dataclass(frozen=True)
class Summary:
    """What a column of the user's holds: its kind and how many `samples` have a value.

    `values`, of text: about how many values there are. `low` and `high`: the smallest and largest finite number, or
    the first and last day.
    """

    kind: Kind
    samples: int
    values: int | None = None
    low: float | datetime.date | None = None
    high: float | datetime.date | None = None

    @property
    def groups(self) -> bool:
        """Whether its values are few, so that samples can be grouped and filtered by them."""
        return self.kind == "yes or no" or (self.kind == "text" and 0 < (self.values or 0) <= FEW)


def kind_of(type: str) -> Kind:
    """Return what a column of a DuckDB type can do.

    >>> kind_of("DOUBLE"), kind_of("TIMESTAMP WITH TIME ZONE"), kind_of("VARCHAR"), kind_of("INTERVAL")
    ('number', 'date', 'text', 'other')
    """
    if type in _NUMBERS:
        return "number"
    if type == "DATE" or type.startswith("TIMESTAMP"):
        return "date"
    if type == "VARCHAR":
        return "text"
    if type == "BOOLEAN":
        return "yes or no"
    return "other"


def own_score(name: str, harder: Harder | Literal[""]) -> Score:
    """Describe a column of numbers as a score; `harder` is "" until a person has said it."""
    sentence = "A column of yours: which end is harder is not known."
    if harder:
        sentence = f"A column of yours: {harder} means harder."
    elif name.startswith(WORDS):
        sentence = "Angle between the words and the image, in radians: the smaller, the more alike."
    return Score(
        key=name,
        name=name,
        formula="",
        sentence=sentence,
        harder=harder,
        needs="table",
        low="-∞",
        high="∞",
        needs_label=False,
        reference="",
    )


def summarise(kinds: Mapping[str, Kind], read: Callable[[str], Sequence[Any]]) -> dict[str, Summary]:
    """Return what columns of these kinds hold, by name; `read` returns the one row of a query."""
    summaries = dict[str, Summary]()
    for start in range(0, len(kinds), _A_QUERY):
        names = list(kinds)[start : start + _A_QUERY]
        values = ", ".join(_summary_sql(kinds[name], quote(name)) for name in names)
        row = iter(read(f"SELECT {values} FROM samples"))
        summaries |= {name: Summary(kinds[name], *(next(row) for _ in range(4))) for name in names}
    return summaries


def _summary_sql(kind: Kind, column: str) -> str:
    """Return SQL of the four values of a summary of a column."""
    values = "NULL"
    end = "NULL"
    if kind == "number":
        # Not FILTER, which takes ten times as long over many columns.
        end = f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END"
    elif kind == "date":
        end = f"CASE WHEN {column}::DATE BETWEEN '0001-01-01' AND '9999-12-31' THEN {column}::DATE END"
    elif kind == "text":
        values = f"approx_count_distinct({column})"
    return f"count({column}), {values}, min({end}), max({end})"
