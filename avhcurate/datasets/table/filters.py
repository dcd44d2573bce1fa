"""The one table of filters: facets, widgets, chips and addresses follow from its entries."""

import datetime
import math
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.people.bins import bin_labels
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

#: What stands for a character within a value, and for an empty value.
_ESCAPES = {"~": "~0", ",": "~1", "": "~2", ":": "~3"}


def escape(value: Any) -> str:
    """Return a value as text without separators.

    >>> escape("a,b:c"), escape("")
    ('a~1b~3c', '~2')
    """
    return "".join(_ESCAPES.get(character, character) for character in str(value)) or _ESCAPES[""]


def unescape(text: str) -> str:
    """Return the value that `escape` wrote."""
    return re.sub("~[0-3]", lambda found: next(raw for raw, code in _ESCAPES.items() if code == found[0]), text)


def join_values(values: Sequence[Any]) -> str:
    """Return values of any kind as one text with commas between them.

    >>> join_values(["a,b", ""]), split_values("a~1b,~2")
    ('a~1b,~2', ('a,b', ''))
    """
    return ",".join(map(escape, values))


def split_values(text: str) -> tuple[str, ...]:
    """Return the values of such a text."""
    return tuple(map(unescape, text.split(",")))


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

    offered: what a table has to choose from; None for anything. column: the column of its facet,
    which is shown if at least `least` values occur. folded: a page shows it under "More filters".
    """

    key: str
    title: str = ""
    offered: Callable[[Table], Container[Any]] | None = None
    column: str = ""
    least: int = 1
    folded: bool = False

    def sql(self, value: Any, table: Table) -> Sql:
        """Return the condition."""
        raise NotImplementedError

    def write(self, value: Any) -> str:
        """Return the value in an address: with commas between values, and colons within one."""
        return ",".join(":".join(map(escape, _parts(one))) for one in value)

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
            raise CurateError(f"There is no {self.key} {', '.join(unknown)}.")
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

    def read(self, text: str) -> Any:
        return tuple((name, self.parse(low), self.parse(high)) for name, low, high in _read_columns(text))

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

    def read(self, text: str) -> Any:
        return _read_columns(text)

    def chips(self, value: Any, table: Table) -> list[Chip]:
        said = {"": "none", "true": "yes", "false": "no"}
        return [
            (f"{one[0]} {' or '.join(said.get(text, text) for text in one[1:])}", _without(value, one))
            for one in value
            if len(one) > 1
        ]


def _parts(value: Any) -> tuple[Any, ...]:
    """Return a column and what follows its name, or a value by itself."""
    if isinstance(value, tuple):
        return value
    return (value,)


def _read_columns(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(unescape, one.split(":"))) for one in text.split(","))


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
        return table.condition(value), []

    def write(self, value: Any) -> str:
        return value

    def read(self, text: str) -> Any:
        return text

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [(value, "")]


def all_hold(parts: Sequence[Sql]) -> Sql:
    """Return the condition that all of some hold."""
    condition = " AND ".join(f"({condition})" for condition, _ in parts if condition)
    return condition, [value for _, values in parts for value in values]


# --- the table -----------------------------------------------------------------------------------------------


def _class_indices(table: Table) -> Container[int]:
    return range(NONE, len(table.classes))


def _bin_names(table: Table) -> list[str]:
    return [label.strip("[])").replace(", ", "–") for label in bin_labels(table.edges)]


def _class_filter(key: str, column: str, title: str, *, folded: bool = False) -> Any:
    entry = AnyOf(
        key=key,
        title=title,
        offered=_class_indices,
        column=column,
        folded=folded,
        parse=int,
        names=lambda table: table.classes,
    )
    return _filter((), entry)


def _filter(default: Any, entry: Filter) -> Any:
    return field(default=default, metadata={"filter": entry})


def _offered_ranges(table: Table) -> Container[str]:
    return {*table.scores, "hsf", "votes", *table.predictions, *table.measures, *table.own("number")}


@dataclass(frozen=True)
class Filters:
    """Conditions that all must hold; an empty one holds for every sample. A new filter is one entry here.

    `hsf_bins` and `classes` are indices, NONE for samples without; `ranges` are (column, low, high), both ends
    included; `tags` must all be present, and a sample be in all of the stored `sets`; `excluded` False leaves excluded
    samples out, True shows only them, None takes both; `where` is a SQL condition. `ids` are samples chosen by hand
    (None: any).

    Of the user's own columns `ranges` takes numbers, `values` are (column, value, ...), "" for samples without a value,
    and `dates` are (column, first day, last day), "" for an open end.
    """

    hsf_bins: tuple[int, ...] = _filter(
        (),
        AnyOf(
            key="bin",
            title="HSF",
            offered=lambda table: range(NONE, len(table.edges) - 1),
            column="_hsf_bin",
            parse=int,
            names=_bin_names,
        ),
    )
    ranges: tuple[tuple[str, float, float], ...] = _filter(
        (), Ranges(key="range", title="Score range", offered=_offered_ranges)
    )
    classes: tuple[int, ...] = _class_filter("class", "label", "Class")
    tags: tuple[str, ...] = _filter((), AllOf(key="tag", title="Tag", column="tags", test="list_contains(tags, ?)"))
    splits: tuple[str, ...] = _filter((), AnyOf(key="split", title="Split", column="split", least=2))
    sets: tuple[str, ...] = _filter(
        (),
        AllOf(
            key="set",
            title="Set",
            offered=lambda table: table.sets,
            test="id IN (SELECT id FROM memberships WHERE name = ?)",
        ),
    )
    values: tuple[tuple[str, ...], ...] = _filter(
        (), Values(key="value", offered=lambda table: table.own("text", "yes or no"))
    )
    dates: tuple[tuple[str, str, str], ...] = _filter(
        (),
        Ranges(
            key="date",
            offered=lambda table: table.own("date"),
            parse=read_day,
            open=("", ""),
            shown="",
            cast="::DATE",
        ),
    )
    excluded: bool | None = _filter(
        False,
        OneOf(
            key="excluded",
            title="Excluded samples",
            choices={
                False: ("", "NOT excluded", ""),
                None: ("with", "", "Excluded too"),
                True: ("only", "excluded", "Only excluded"),
            },
        ),
    )
    predicted: tuple[int, ...] = _class_filter("predicted", "predicted", "Predicted class", folded=True)
    mistakes: bool = _filter(
        False,
        OneOf(
            key="mistakes",
            title="Only where the model disagrees",
            folded=True,
            choices={False: ("", "", ""), True: ("1", "predicted <> label", "The model disagrees")},
        ),
    )
    where: str = _filter("", Condition(key="where", title="SQL condition", folded=True))
    ids: tuple[int, ...] | None = None

    def to_sql(self, table: Table) -> Sql:
        """Return one condition over the sample table, in brackets, and its parameters."""
        chosen = {name: getattr(self, name) for name in FILTERS}
        parts = [FILTERS[name].sql(value, table) for name, value in chosen.items() if value not in ((), "")]
        if self.ids is not None:
            parts.append(("id IN (SELECT unnest(?::BIGINT[]))", [list(self.ids)]))
        condition, values = all_hold(parts)
        return f"({condition or 'TRUE'})", values

    def to_query(self) -> dict[str, str]:
        """Return the conditions as parameters of an address; defaults are left out.

        >>> Filters(hsf_bins=(0, 1), ranges=(("avh", 0.1, 0.2),)).to_query()
        {'bin': '0,1', 'range': 'avh:0.1:0.2'}
        """
        written = {entry.key: entry.write(getattr(self, name)) for name, entry in FILTERS.items()}
        return {key: text for key, text in written.items() if text}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """Return the filters of such parameters; one that cannot be read is refused by name."""
        values = {}
        for name, entry in FILTERS.items():
            if text := query.get(entry.key):
                try:
                    values[name] = entry.read(text)
                except (ValueError, KeyError) as error:
                    raise CurateError(
                        f"The address has {entry.key}={text}, which is not a {entry.key} filter. Leave it out."
                    ) from error
        return cls(**values)

    def fit(self, table: Table) -> tuple["Filters", list[str]]:
        """Return the filters without what the table does not have, and a notice for each kind that lost something.

        Of several filters by one column the last is kept.
        """
        kept, notices = {}, []
        for name, entry in FILTERS.items():
            if entry.offered is None:
                continue
            offered = entry.offered(table)
            there = [value for value in getattr(self, name) if _parts(value)[0] in offered]
            kept[name] = tuple({_parts(value)[0]: value for value in there}.values())
            if lost := [value for value in getattr(self, name) if value not in there]:
                notices.append(f"This dataset has no {entry.key} {_names(lost)}: the filter was left out.")
        return self.with_(**kept), notices

    def with_(self, **changes: Any) -> "Filters":
        return replace(self, **changes)

    @property
    def active(self) -> int:
        return sum(getattr(self, field.name) != field.default for field in fields(self))


def _names(values: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(str(_parts(value)[0]) for value in values))


#: Every filter by its field of `Filters`.
FILTERS: dict[str, Filter] = {one.name: one.metadata["filter"] for one in fields(Filters) if one.metadata}
#: The parameters of filters in an address.
FILTER_KEYS = tuple(entry.key for entry in FILTERS.values())
