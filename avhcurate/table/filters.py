"""Filters: the samples of a view, an export or a bulk action as conditions that fit in a URL."""

import datetime
import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.table.own_columns import Kind

_T = TypeVar("_T")

#: Value of a bin or class filter that means "has none"; of a split filter it is "".
NONE = -1

#: A SQL condition, "" for one that always holds, and its parameters.
Sql = tuple[str, list[Any]]


class Queried(Protocol):
    """A table that filters query; it refuses columns and conditions that it does not have."""

    sets: tuple[str, ...]

    def column(self, name: str) -> str: ...

    def condition(self, text: str) -> str: ...


class Offered(Protocol):
    """The parts of a table that filters can name."""

    scores: tuple[str, ...]
    measures: tuple[str, ...]
    predictions: tuple[str, ...]
    classes: tuple[str, ...]
    edges: tuple[float, ...]
    sets: tuple[str, ...]

    def own(self, *kinds: "Kind") -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Filter:
    """One kind of condition: its parameter in an address ("" for none), how it is written and read, and its SQL.

    `offered` gives what a table has to choose from, called `noun` in messages; None takes any value.
    """

    key: str
    sql: Callable[[Any, Queried], Sql]
    write: Callable[[Any], str] = str
    read: Callable[[str], Any] = str
    offered: Callable[[Offered], Container[Any]] | None = None
    noun: str = ""


def _filter(default: Any, **entry: Any) -> Any:
    return field(default=default, metadata={"filter": Filter(**entry)})


def _chosen(kind: Callable[[str], Any], **entry: Any) -> Any:
    """A filter with some values of one kind."""
    return _filter((), write=join_values, read=lambda text: _split(text, kind), **entry)


# --- SQL -----------------------------------------------------------------------------------------------------


def quote(column: str) -> str:
    """A column name as a SQL identifier, whatever it holds.

    >>> print(quote('odd "name"'))
    "odd ""name""\"
    """
    return '"' + column.replace('"', '""') + '"'


def _among(column: str) -> Callable[[Sequence[Any], Queried], Sql]:
    """The column has one of the chosen values; NONE and "" choose the samples without a value."""

    def sql(chosen: Sequence[Any], _: Queried) -> Sql:
        values = [value for value in chosen if value not in (NONE, "")]
        tests = [f"{column} IN ({', '.join('?' * len(values))})"] if values else []
        tests += [f"{column} IS NULL"] if len(values) < len(chosen) else []
        return f"({' OR '.join(tests)})" if tests else "", values

    return sql


def _tagged(tags: Sequence[str], _: Queried) -> Sql:
    return " AND ".join("list_contains(tags, ?)" for _ in tags), list(tags)


def _members(names: Sequence[str], table: Queried) -> Sql:
    if unknown := set(names) - set(table.sets):
        there = ", ".join(table.sets) or "none"
        raise CurateError(f"no set is called {', '.join(sorted(unknown))}; the dataset has {there}")
    return " AND ".join("id IN (SELECT id FROM memberships WHERE name = ?)" for _ in names), list(names)


def _within(ranges: Sequence[tuple[str, float, float]], table: Queried) -> Sql:
    tests, bounds = [], []
    for key, low, high in ranges:
        column = table.column(key)
        for operator, bound in ((">=", low), ("<=", high)):
            if math.isfinite(bound):
                tests.append(f"{column} {operator} ?")
                bounds.append(bound)
    return " AND ".join(tests), bounds


def _with_values(chosen: Sequence[tuple[str, ...]], table: Queried) -> Sql:
    """Each column has one of the values that follow its name; "" chooses the samples without a value."""
    parts = [_among(f"nullif({table.column(column)}::VARCHAR, '')")(values, table) for column, *values in chosen]
    return " AND ".join(condition for condition, _ in parts if condition), [
        value for _, some in parts for value in some
    ]


def _on_days(ranges: Sequence[tuple[str, str, str]], table: Queried) -> Sql:
    """Each column lies between two days, both included; "" leaves an end open."""
    tests, days = [], []
    for name, first, last in ranges:
        column = f"{table.column(name)}::DATE"
        for operator, day in ((">=", first), ("<=", last)):
            if day:
                tests.append(f"{column} {operator} ?::DATE")
                days.append(day)
    return " AND ".join(tests), days


def _by_id(ids: Sequence[int] | None, _: Queried) -> Sql:
    return ("", []) if ids is None else ("id IN (SELECT unnest(?::BIGINT[]))", [list(ids)])


# --- values in an address ------------------------------------------------------------------------------------

#: The escape and the separators inside a parameter, and what replaces each within a value.
_ESCAPE, _COMMA, _COLON = ("~", "~0"), (",", "~1"), (":", "~3")
_EMPTY = "~2"


def join_values(values: Sequence[Any], separator: tuple[str, str] = _COMMA) -> str:
    """Values as one text with commas between them, whatever they hold.

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
    """The inverse of `join_values`."""
    values = []
    for part in text.split(separator[0]):
        value = "" if part == _EMPTY else part
        for raw, escaped in (separator, _ESCAPE):
            value = value.replace(escaped, raw)
        values.append(value)
    return tuple(values)


def _split(text: str, parse: Callable[[str], _T]) -> tuple[_T, ...]:
    return tuple(map(parse, split_values(text)))


def _write_ranges(ranges: Sequence[tuple[str, float, float]]) -> str:
    return join_values([f"{key}:{low!r}:{high!r}" for key, low, high in ranges])


def _range(text: str) -> tuple[str, float, float]:
    key, low, high = text.rsplit(":", 2)
    bounds = float(low), float(high)
    if any(math.isnan(bound) for bound in bounds):
        raise ValueError(text)
    return key, *bounds


def _write_values(chosen: Sequence[tuple[str, ...]]) -> str:
    return join_values([join_values(column, _COLON) for column in chosen])


def _read_values(text: str) -> tuple[tuple[str, ...], ...]:
    return _split(text, lambda part: split_values(part, _COLON))


def _write_days(ranges: Sequence[tuple[str, str, str]]) -> str:
    return join_values([":".join(one) for one in ranges])


def _days(text: str) -> tuple[str, str, str]:
    name, first, last = text.rsplit(":", 2)
    first, last = (day and datetime.date.fromisoformat(day).isoformat() for day in (first, last))
    return name, first, last


# --- the table -----------------------------------------------------------------------------------------------


def _classes(table: Offered) -> Container[int]:
    return {NONE, *range(len(table.classes))}


@dataclass(frozen=True)
class Filters:
    """Conditions that all must hold; an empty one holds for every sample. A new filter is one entry here.

    `hsf_bins` and `classes` are indices, NONE for samples without; `ranges` are (column, low, high), both ends
    included; `tags` must all be present, and a sample be in all of the stored `sets`; `excluded` False leaves excluded
    samples out, True shows only them, None takes both; `where` is a SQL predicate, which the table checks. `ids` names
    samples chosen by hand (None: any) and is the one condition that a URL does not carry.

    Of the user's own columns `ranges` takes numbers, `values` are (column, value, ...), "" for samples without a value,
    and `dates` are (column, first day, last day), "" for an open end.
    """

    hsf_bins: tuple[int, ...] = _chosen(
        int,
        key="bin",
        sql=_among("_hsf_bin"),
        offered=lambda table: {NONE, *range(len(table.edges) - 1)},
        noun="HSF bin",
    )
    classes: tuple[int, ...] = _chosen(int, key="class", sql=_among("label"), offered=_classes, noun="class")
    predicted: tuple[int, ...] = _chosen(int, key="predicted", sql=_among("predicted"), offered=_classes, noun="class")
    splits: tuple[str, ...] = _chosen(str, key="split", sql=_among("nullif(split, '')"))
    tags: tuple[str, ...] = _chosen(str, key="tag", sql=_tagged)
    sets: tuple[str, ...] = _chosen(str, key="set", sql=_members, offered=lambda table: table.sets, noun="set")
    ranges: tuple[tuple[str, float, float], ...] = _filter(
        (),
        key="range",
        sql=_within,
        write=_write_ranges,
        read=lambda text: _split(text, _range),
        offered=lambda table: {
            *table.scores,
            "hsf",
            "votes",
            *table.predictions,
            *table.measures,
            *table.own("number"),
        },
        noun="score",
    )
    values: tuple[tuple[str, ...], ...] = _filter(
        (),
        key="value",
        sql=_with_values,
        write=_write_values,
        read=_read_values,
        offered=lambda table: table.own("text", "yes or no"),
        noun="column of values",
    )
    dates: tuple[tuple[str, str, str], ...] = _filter(
        (),
        key="date",
        sql=_on_days,
        write=_write_days,
        read=lambda text: _split(text, _days),
        offered=lambda table: table.own("date"),
        noun="column of dates",
    )
    mistakes: bool = _filter(
        False,
        key="mistakes",
        sql=lambda on, _: ("predicted <> label" if on else "", []),
        write=lambda on: "1" if on else "",
        read=lambda text: text == "1",
    )
    excluded: bool | None = _filter(
        False,
        key="excluded",
        sql=lambda which, _: ({False: "NOT excluded", True: "excluded", None: ""}[which], []),
        write=lambda which: {False: "", True: "only", None: "with"}[which],
        read=lambda text: {"only": True, "with": None}[text],
    )
    where: str = _filter("", key="where", sql=lambda text, table: (table.condition(text) if text else "", []))
    ids: tuple[int, ...] | None = _filter(None, key="", sql=_by_id)

    def to_sql(self, table: Queried) -> Sql:
        """One predicate over the sample table, in brackets, and its parameters."""
        parts = [entry.sql(getattr(self, name), table) for name, entry in FILTERS.items()]
        conditions = " AND ".join(condition for condition, _ in parts if condition)
        return f"({conditions or 'TRUE'})", [value for _, values in parts for value in values]

    def to_query(self) -> dict[str, str]:
        """The conditions as URL parameters; defaults are left out.

        >>> Filters(hsf_bins=(0, 1), ranges=(("avh", 0.1, 0.2),)).to_query()
        {'bin': '0,1', 'range': 'avh:0.1:0.2'}
        """
        written = {entry.key: entry.write(getattr(self, name)) for name, entry in FILTERS.items() if entry.key}
        return {key: text for key, text in written.items() if text}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """The inverse of `to_query`; a parameter that cannot be read is refused by name."""
        values = {}
        for name, entry in FILTERS.items():
            if text := query.get(entry.key) if entry.key else None:
                try:
                    values[name] = entry.read(text)
                except (ValueError, KeyError) as error:
                    raise CurateError(
                        f"the address has {entry.key}={text}, which is not a {entry.key} filter: leave it out"
                    ) from error
        return cls(**values)

    def fit(self, table: Offered) -> tuple["Filters", list[str]]:
        """The filters without what the table does not have, and a notice for each kind that lost something.

        Pages have one widget a column: of several filters by one column the last is kept.
        """
        kept, notices = {}, []
        for name, entry in FILTERS.items():
            if entry.offered is None:
                continue
            offered = entry.offered(table)
            there = [value for value in getattr(self, name) if _named(value) in offered]
            kept[name] = tuple({_named(value): value for value in there}.values())
            if lost := [value for value in getattr(self, name) if value not in there]:
                notices.append(f"This dataset has no {entry.noun} {_names(lost)}: the filter was left out.")
            if twice := [value for value in there if value not in kept[name]]:
                notices.append(f"There are several filters by the {entry.noun} {_names(twice)}: the last one counts.")
        return self.with_(**kept), notices

    def with_(self, **changes: Any) -> "Filters":
        return replace(self, **changes)

    @property
    def active(self) -> int:
        return sum(getattr(self, field.name) != field.default for field in fields(self))


def _named(value: Any) -> Any:
    """What a value names: of a range its column."""
    return value[0] if isinstance(value, tuple) else value


def _names(values: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(str(_named(value)) for value in values))


#: Every filter by its field of `Filters`.
FILTERS: dict[str, Filter] = {field.name: field.metadata["filter"] for field in fields(Filters)}
#: The URL parameters of filters.
FILTER_KEYS = tuple(entry.key for entry in FILTERS.values() if entry.key)
