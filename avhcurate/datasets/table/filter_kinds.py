"""The kinds of filters: the condition of each in SQL, and as the text of a chip."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.workspace.images.measures import RANKED

#: A SQL condition, "" for one that always holds, and its parameters.
Sql = tuple[str, list[Any]]
#: The text of a condition, and what remains of its filter without it.
Chip = tuple[str, Any]
#: A `SampleTable`; one with `edges` for filters by HSF bin. It refuses columns and conditions that it does not have.
Table = Any


def _no_names(_: Table) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Filter:
    """A filter: `key` is its parameter in an address ("" for none), `title` what pages call it.

    offered: what a table has to choose from; None for anything. column: the column of its facet,
    which is shown if at least `least` values occur. folded: a page shows it under "More filters".
    names: those of values that are indices.
    """

    key: str
    title: str = ""
    offered: Callable[[Table], Container[Any]] | None = None
    column: str = ""
    least: int = 1
    folded: bool = False
    names: Callable[[Table], Sequence[str]] = _no_names

    def sql(self, value: Any, table: Table) -> Sql:
        """Return the condition."""
        raise NotImplementedError

    def name(self, value: Any, table: Table) -> str:
        """Return what a value is called."""
        if value is not None and (names := self.names(table)):
            return names[value]
        return {None: "none", "true": "yes", "false": "no"}.get(value, str(value))

    def chips(self, value: Any, table: Table) -> list[Chip]:
        """Return the conditions as text."""
        return [(f"{self.title} {choice}", _without(value, choice)) for choice in value]


def _without(values: Sequence[Any], value: Any) -> tuple[Any, ...]:
    return tuple(other for other in values if other is not value)


class AnyOf(Filter):
    """The column has one of the chosen values."""

    def sql(self, value: Any, table: Table) -> Sql:
        column = self.column
        if value and self.names is _no_names:
            column = f"nullif({table.column(column)}, '')"
        return among(column, value)

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(f"{self.title} {' or '.join(self.name(choice, table) for choice in value)}", ())]


def among(column: str, values: Sequence[Any]) -> Sql:
    """Return the condition that a column has one of the values; None and "" choose samples without one."""
    present = [value for value in values if value not in (None, "")]
    tests = []
    if present:
        tests.append(f"{column} IN ({', '.join('?' * len(present))})")
    if len(present) < len(values):
        tests.append(f"{column} IS NULL")
    return " OR ".join(tests), present


@dataclass(frozen=True)
class AllOf(Filter):
    """A `test` of the sample passes for all chosen values."""

    test: str = ""

    def sql(self, value: Any, table: Table) -> Sql:
        if self.offered and (unknown := [name for name in value if name not in self.offered(table)]):
            raise CurateError(f"There is no {self.key} {', '.join(unknown)}.")
        return " AND ".join([self.test] * len(value)), list(value)


@dataclass(frozen=True)
class Ranges(Filter):
    """Columns lie between two ends, both included: (column, low, high).

    shown: how a chip formats an end. cast: of SQL, to the type of the ends.
    """

    shown: str = ".4g"
    cast: str = ""

    def sql(self, value: Any, table: Table) -> Sql:
        tests = []
        bounds = []
        for name, *ends in value:
            for sign, end in zip((">=", "<="), ends, strict=True):
                if end is not None:
                    tests.append(f"{table.column(name)}{self.cast} {sign} ?{self.cast}")
                    bounds.append(end)
        return " AND ".join(tests), bounds

    def chips(self, value: Any, table: Table) -> list[Chip]:
        chips = []
        for entry in value:
            key, low, high = entry
            name = {"hsf": "HSF", "votes": "Votes"}.get(key, key)
            if key in RANKED:
                name = RANKED[key].name
            text = "–".join(f"{end:{self.shown}}" for end in (low, high) if end is not None)
            if high is None:
                text = f"from {text}"
            elif low is None:
                text = f"to {text}"
            if (low, high) != (None, None):
                chips.append((f"{name} {text}", _without(value, entry)))
        return chips


class Values(Filter):
    """Columns of the user's have one of the values that follow their name."""

    def sql(self, value: Any, table: Table) -> Sql:
        return all_hold([among(f"nullif({table.column(name)}::VARCHAR, '')", values) for name, *values in value])

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [
            (f"{column} {' or '.join(self.name(choice, table) for choice in values)}", _without(value, entry))
            for entry in value
            for column, *values in [entry]
            if values
        ]


@dataclass(frozen=True)
class OneOf(Filter):
    """One of a few choices, the first by default: as SQL and as a chip."""

    choices: Mapping[bool | None, tuple[str, str]] = field(default_factory=dict)

    def sql(self, value: Any, table: Table) -> Sql:
        return self.choices[value][0], []

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(self.choices[value][1], False)]


class Ids(Filter):
    """The sample is one of some that were counted or chosen; None for any."""

    def sql(self, value: Any, table: Table) -> Sql:
        if value is None:
            return "", []
        return "id IN (SELECT unnest(?::BIGINT[]))", [list(value)]

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(f"{len(value):,} chosen images", None)]


class Condition(Filter):
    """A SQL condition, which the table checks."""

    def sql(self, value: Any, table: Table) -> Sql:
        return table.condition(value), []

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(value, "")]


def all_hold(parts: Sequence[Sql]) -> Sql:
    """Return the condition that all of some hold."""
    condition = " AND ".join(f"({condition})" for condition, _ in parts if condition)
    return condition, [value for _, values in parts for value in values]
