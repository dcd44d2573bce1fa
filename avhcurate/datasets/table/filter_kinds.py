"""Kinds of filters: how each is written in an address, as SQL, and as the text of a chip."""

import datetime
import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.workspace.images.measures import RANKED

#: Value of a bin or class filter that means "has none"; of a split filter it is "".
NONE = -1

#: A SQL condition, "" for one that always holds, and its parameters.
Sql = tuple[str, list[Any]]
#: The text of a condition, and what remains of its filter without it.
Chip = tuple[str, Any]


#: A `SampleTable`; one with `edges` for filters by HSF bin. It refuses columns and conditions that it does not have.
Table = Any


# --- values in an address ------------------------------------------------------------------------------------

#: The escape and the separators inside a parameter, and what replaces each within a value.
_ESCAPE, _COMMA, _COLON = ("~", "~0"), (",", "~1"), (":", "~3")
_EMPTY = "~2"


def join_values(values: Sequence[Any], separator: tuple[str, str] = _COMMA) -> str:
    """Return values of any kind as one text with commas between them.

    >>> join_values(["a,b", ""]), split_values("a~1b,~2")
    ('a~1b,~2', ('a,b', ''))
    """
    texts = []
    for value in values:
        text = str(value)
        for raw, escaped in (_ESCAPE, separator):
            text = text.replace(raw, escaped)
        texts.append(text or _EMPTY)
    return separator[0].join(texts)


def split_values(text: str, separator: tuple[str, str] = _COMMA) -> tuple[str, ...]:
    """Return the values of such a text."""
    values = []
    for part in text.split(separator[0]):
        for raw, escaped in (separator, _ESCAPE):
            part = part.replace(_EMPTY, "").replace(escaped, raw)
        values.append(part)
    return tuple(values)


def _number(text: str) -> float:
    number = float(text)
    if math.isnan(number):
        raise ValueError(text)
    return number


def read_day(text: str) -> str:
    if not text:
        return ""
    return datetime.date.fromisoformat(text).isoformat()


# --- kinds of filters ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filter:
    """A filter: `key` is its parameter in an address ("" for none), `title` what pages call it.

    offered: what a table has to choose from, each called a `noun`; None for anything. column: the column of its facet,
    which is shown if at least `least` values occur. folded: a page shows it under "More filters".
    """

    key: str
    title: str = ""
    noun: str = ""
    offered: Callable[[Table], Container[Any]] | None = None
    column: str = ""
    least: int = 1
    folded: bool = False

    def sql(self, value: Any, table: Table) -> Sql:
        """Return the condition."""
        raise NotImplementedError

    def write(self, value: Any) -> str:
        """Return the value in an address."""
        return join_values(value)

    def read(self, text: str) -> Any:
        """Return the value of an address; ValueError or KeyError for another text."""
        return split_values(text)

    def chips(self, value: Any, table: Table) -> list[Chip]:
        """Return the conditions as text."""
        return [(f"{self.title} {one}", _without(value, one)) for one in value]


def _without(values: Sequence[Any], one: Any) -> tuple[Any, ...]:
    return tuple(other for other in values if other is not one)


@dataclass(frozen=True)
class AnyOf(Filter):
    """The column has one of the chosen values; NONE and "" choose the samples without a value.

    parse: reads a value. names: those of values that are indices. missing: what samples without a value are called.
    """

    parse: Callable[[str], Any] = str
    names: Callable[[Table], Sequence[str]] | None = None
    missing: str = "none"

    def sql(self, value: Any, table: Table) -> Sql:
        column = self.column
        if self.parse is str:
            column = f"nullif({column}, '')"
        return among(column, value)

    def read(self, text: str) -> Any:
        return tuple(map(self.parse, split_values(text)))

    def name(self, value: Any, table: Table) -> str:
        """Return what a value is called."""
        if value in (None, NONE, ""):
            return self.missing
        if self.names is None:
            return str(value)
        return self.names(table)[value]

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(f"{self.title} {' or '.join(self.name(one, table) for one in value)}", ())]


def among(column: str, chosen: Sequence[Any]) -> Sql:
    """Return the condition that a column has one of the values."""
    values = [value for value in chosen if value not in (NONE, "")]
    tests = []
    if values:
        tests.append(f"{column} IN ({', '.join('?' * len(values))})")
    if len(values) < len(chosen):
        tests.append(f"{column} IS NULL")
    return " OR ".join(tests), values


@dataclass(frozen=True)
class AllOf(Filter):
    """A `test` of the sample passes for all chosen values."""

    test: str = ""

    def sql(self, value: Any, table: Table) -> Sql:
        if self.offered and (unknown := [one for one in value if one not in self.offered(table)]):
            raise CurateError(f"There is no {self.noun} {', '.join(unknown)}.")
        return " AND ".join([self.test] * len(value)), list(value)


@dataclass(frozen=True)
class Ranges(Filter):
    """Columns lie between two ends, both included: (column, low, high). `cast` is the SQL type of the ends."""

    parse: Callable[[str], Any] = _number
    open: tuple[Any, Any] = (-math.inf, math.inf)
    shown: str = ".4g"
    cast: str = ""

    def sql(self, value: Any, table: Table) -> Sql:
        tests, bounds = [], []
        for name, *ends in value:
            for sign, end, no_end in zip((">=", "<="), ends, self.open, strict=True):
                if end != no_end:
                    tests.append(f"{table.column(name)}{self.cast} {sign} ?{self.cast}")
                    bounds.append(end)
        return " AND ".join(tests), bounds

    def write(self, value: Any) -> str:
        return join_values([":".join(map(str, one)) for one in value])

    def read(self, text: str) -> Any:
        parts = [part.rsplit(":", 2) for part in split_values(text)]
        return tuple((name, self.parse(low), self.parse(high)) for name, low, high in parts)

    def chips(self, value: Any, table: Table) -> list[Chip]:
        chips = []
        for one in value:
            key, low, high = one
            name = {"hsf": "HSF", "votes": "Votes"}.get(key, key)
            if key in RANKED:
                name = RANKED[key].name
            text = f"{name} {low:{self.shown}}–{high:{self.shown}}"
            if high == self.open[1]:
                text = f"{name} from {low:{self.shown}}"
            elif low == self.open[0]:
                text = f"{name} to {high:{self.shown}}"
            if (low, high) != self.open:
                chips.append((text, _without(value, one)))
        return chips


@dataclass(frozen=True)
class Values(Filter):
    """Columns of the user's have one of the values that follow their name; "" for samples without a value."""

    def sql(self, value: Any, table: Table) -> Sql:
        parts = [among(f"nullif({table.column(name)}::VARCHAR, '')", chosen) for name, *chosen in value]
        return all_hold(parts)

    def write(self, value: Any) -> str:
        return join_values([join_values(one, _COLON) for one in value])

    def read(self, text: str) -> Any:
        return tuple(split_values(part, _COLON) for part in split_values(text))

    def chips(self, value: Any, table: Table) -> list[Chip]:
        said = {"": "none", "true": "yes", "false": "no"}
        return [
            (f"{one[0]} {' or '.join(said.get(text, text) for text in one[1:])}", _without(value, one))
            for one in value
            if len(one) > 1
        ]


@dataclass(frozen=True)
class OneOf(Filter):
    """One of a few choices, the first by default: in an address, as SQL and as a chip."""

    choices: Mapping[bool | None, tuple[str, str, str]] = field(default_factory=dict)

    def sql(self, value: Any, table: Table) -> Sql:
        return self.choices[value][1], []

    def write(self, value: Any) -> str:
        return self.choices[value][0]

    def read(self, text: str) -> Any:
        return {address: value for value, (address, *_) in self.choices.items()}[text]

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(self.choices[value][2], False)]


@dataclass(frozen=True)
class Condition(Filter):
    """A SQL condition, which the table checks."""

    def sql(self, value: Any, table: Table) -> Sql:
        if not value:
            return "", []
        return table.condition(value), []

    def write(self, value: Any) -> str:
        return value

    def read(self, text: str) -> Any:
        return text

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(value, "")]


@dataclass(frozen=True)
class Ids(Filter):
    """Samples chosen by hand; no address carries them."""

    def sql(self, value: Any, table: Table) -> Sql:
        if value is None:
            return "", []
        return "id IN (SELECT unnest(?::BIGINT[]))", [list(value)]

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return []


def all_hold(parts: Sequence[Sql]) -> Sql:
    """Return the condition that all of some hold."""
    condition = " AND ".join(f"({condition})" for condition, _ in parts if condition)
    return condition, [value for _, values in parts for value in values]
