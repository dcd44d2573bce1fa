"""The one table of filters: facets, widgets, chips and addresses follow from its entries."""

import base64
import datetime
import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Annotated, Any, get_type_hints

import numpy as np
from numpy.typing import ArrayLike
from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import to_json

from avhcurate.errors import CurateError
from avhcurate.people.bins import bin_labels
from avhcurate.workspace.images.measures import RANKED

#: A SQL condition, "" for one that always holds, and its parameters.
Sql = tuple[str, list[Any]]
#: The text of a condition, and what remains of its filter without it.
Chip = tuple[str, Any]


#: A `SampleTable`; one with `edges` for filters by HSF bin. It refuses columns and conditions that it does not have.
Table = Any


# --- kinds of filters ----------------------------------------------------------------------------------------


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


def among(column: str, chosen: Sequence[Any]) -> Sql:
    """Return the condition that a column has one of the values; None and "" choose samples without one."""
    values = [value for value in chosen if value not in (None, "")]
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
        return all_hold([among(f"nullif({table.column(name)}::VARCHAR, '')", chosen) for name, *chosen in value])

    def chips(self, value: Any, table: Table) -> list[Chip]:
        return [
            (f"{column} {' or '.join(self.name(choice, table) for choice in chosen)}", _without(value, entry))
            for entry in value
            for column, *chosen in [entry]
            if chosen
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


# --- the table -----------------------------------------------------------------------------------------------


def _bin_names(table: Table) -> list[str]:
    return [label.strip("[])").replace(", ", "–") for label in bin_labels(table.edges)]


def _class_filter(key: str, column: str, title: str, *, folded: bool = False) -> Any:
    entry = AnyOf(
        key=key,
        title=title,
        offered=lambda table: (None, *range(len(table.classes))),
        column=column,
        folded=folded,
        names=lambda table: table.classes,
    )
    return _filter((), entry)


def _filter(default: Any, entry: Filter) -> Any:
    return field(default=default, metadata={"filter": entry})


def offered_ranges(table: Table) -> Container[str]:
    """Return the columns of numbers that filters cut."""
    return {*table.scores, "hsf", "votes", *table.predictions, *table.measures, *table.own("number")}


#: An end of a range of numbers or days, None for an open one.
End = Annotated[float, Field(allow_inf_nan=False)] | None
Day = datetime.date | None


def _named(column_and_values: tuple[str | None, ...]) -> tuple[str | None, ...]:
    if not column_and_values or column_and_values[0] is None:
        raise ValueError("a column is named first")
    return column_and_values


@dataclass(frozen=True)
class Filters:
    """Conditions that all must hold; an empty one holds for every sample. A new filter is one entry here.

    `hsf_bins` and `classes` are indices; `ranges` are (column, low, high), both ends included; `tags` must all be
    present, and a sample be in all of the stored `sets`; `excluded` False leaves excluded samples out, True shows only
    them, None takes both; `where` is a SQL condition. `ids` are samples that were chosen (None: any).

    Of the user's own columns `ranges` takes numbers, `values` are (column, value, ...), and `dates` are
    (column, first day, last day). Among values None chooses samples without one; as an end it is an open one.
    """

    hsf_bins: tuple[int | None, ...] = _filter(
        (),
        AnyOf(
            key="bin",
            title="HSF",
            offered=lambda table: (None, *range(len(table.edges) - 1)),
            column="_hsf_bin",
            names=_bin_names,
        ),
    )
    ranges: tuple[tuple[str, End, End], ...] = _filter(
        (), Ranges(key="range", title="Score range", offered=offered_ranges)
    )
    classes: tuple[int | None, ...] = _class_filter("class", "label", "Class")
    parents: tuple[str | None, ...] = _filter(
        (), AnyOf(key="parent", title="Parent", offered=lambda table: table.parents, column="parent")
    )
    tags: tuple[str, ...] = _filter((), AllOf(key="tag", title="Tag", column="tags", test="list_contains(tags, ?)"))
    splits: tuple[str | None, ...] = _filter((), AnyOf(key="split", title="Split", column="split", least=2))
    sets: tuple[str, ...] = _filter(
        (),
        AllOf(
            key="set",
            title="Set",
            offered=lambda table: table.sets,
            test="id IN (SELECT id FROM memberships WHERE name = ?)",
        ),
    )
    values: tuple[Annotated[tuple[str | None, ...], AfterValidator(_named)], ...] = _filter(
        (), Values(key="value", offered=lambda table: table.own("text", "yes or no"))
    )
    dates: tuple[tuple[str, Day, Day], ...] = _filter(
        (),
        Ranges(key="date", title="Days", offered=lambda table: table.own("date"), shown="", cast="::DATE"),
    )
    excluded: bool | None = _filter(
        False,
        OneOf(
            key="excluded",
            title="Excluded images",
            choices={
                False: ("NOT excluded", ""),
                None: ("", "Excluded too"),
                True: ("excluded", "Only excluded"),
            },
        ),
    )
    predicted: tuple[int | None, ...] = _class_filter("predicted", "predicted", "Predicted class", folded=True)
    mistakes: bool = _filter(
        False,
        OneOf(
            key="mistakes",
            title="Only where the model disagrees",
            folded=True,
            choices={False: ("", ""), True: ("predicted <> label", "The model disagrees")},
        ),
    )
    locked: bool = _filter(
        False,
        OneOf(
            key="locked",
            title="Only locked images",
            folded=True,
            choices={False: ("", ""), True: ("locked", "Locked")},
        ),
    )
    where: str = _filter("", Condition(key="where", title="SQL condition", folded=True))
    ids: tuple[int, ...] | None = _filter(None, Ids(key="ids", title="Chosen images"))

    def to_sql(self, table: Table) -> Sql:
        """Return one condition over the sample table, in brackets, and its parameters."""
        chosen = {name: getattr(self, name) for name in FILTERS}
        parts = [FILTERS[name].sql(value, table) for name, value in chosen.items() if value != ""]
        condition, values = all_hold(parts)
        return f"({condition or 'TRUE'})", values

    def to_query(self) -> dict[str, str]:
        """Return the conditions as parameters of an address; defaults are left out.

        >>> Filters(hsf_bins=(0, 1), ranges=(("avh", 0.1, None),)).to_query()
        {'bin': '0,1', 'range': '["avh",0.1,null]'}
        """
        query = {FILTERS[name].key: write_value(value) for name, value in self.changed.items() if name != "ids"}
        if self.ids is not None:
            query[FILTERS["ids"].key] = pack_ids(self.ids)
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """Return the filters of such parameters; one that cannot be read is refused by name."""
        values = {}
        for key, name in FILTER_KEYS.items():
            if text := query.get(key):
                try:
                    values[name] = read_value(cls, name, text)
                except ValueError as error:
                    raise CurateError(
                        f"The address has {key}={text}, which is not a {key} filter. Leave it out."
                    ) from error
        return cls(**values)

    def fit(self, table: Table) -> tuple["Filters", list[str]]:
        """Return the filters without what the table does not have, and a notice for each kind that lost something.

        Of several filters by one column the last is kept.
        """
        fitting = {}
        notices = []
        for name, entry in FILTERS.items():
            if entry.offered is None:
                continue
            offered = entry.offered(table)
            values = [value for value in getattr(self, name) if _first(value) in offered]
            fitting[name] = tuple({_first(value): value for value in values}.values())
            if lost := [value for value in getattr(self, name) if value not in values]:
                notices.append(f"This dataset has no {entry.key} {_names(lost)}: the filter was left out.")
        return self.with_(**fitting), notices

    def with_(self, **changes: Any) -> "Filters":
        return replace(self, **changes)

    def narrowed(self, other: "Filters") -> "Filters":
        """Return the filters that both hold; where they choose values of one column, those of `other` are among these.

        >>> first = Filters(tags=("a",), where="avh > 1", ranges=(("hsf", 0.5, None),))
        >>> first.narrowed(Filters(tags=("b",), where="votes > 9", ranges=(("hsf", 0.2, 0.8),))).to_query()
        {'range': '["hsf",0.5,0.8]', 'tag': '"a","b"', 'where': '(avh > 1\\n) AND (votes > 9\\n)'}
        """
        changes = other.changed
        for name, choices in changes.items():
            if isinstance(FILTERS[name], AllOf | Ranges | Values):
                both = {_first(choice): choice for choice in getattr(self, name)}
                for choice in choices:
                    if isinstance(FILTERS[name], Ranges) and choice[0] in both:
                        choice = _overlap(both[choice[0]], choice)
                    both[_first(choice)] = choice
                changes[name] = tuple(both.values())
        if self.where and other.where:
            changes["where"] = f"({self.where}\n) AND ({other.where}\n)"  # either may end with a comment
        return replace(self, **changes)

    @property
    def changed(self) -> dict[str, Any]:
        """The fields that do not have their default."""
        return {name: value for name, value in vars(self).items() if value != getattr(Filters, name)}

    @property
    def active(self) -> int:
        return len(self.changed)


def _first(value: Any) -> Any:
    """Return the column of a filter by column, or a value of another filter."""
    if isinstance(value, tuple):
        return value[0]
    return value


def _overlap(*ranges: tuple[str, Any, Any]) -> tuple[str, Any, Any]:
    """Return the range that lies in all of some, which are of one column."""
    lows = [low for _, low, _ in ranges if low is not None]
    highs = [high for _, _, high in ranges if high is not None]
    return ranges[0][0], max(lows, default=None), min(highs, default=None)


def _names(values: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(str(_first(value)) for value in values))


#: Every filter by its field of `Filters`.
FILTERS: dict[str, Filter] = {field.name: field.metadata["filter"] for field in fields(Filters)}
#: The fields of filters by their parameter in an address.
FILTER_KEYS = {entry.key: name for name, entry in FILTERS.items()}


# --- values in an address ------------------------------------------------------------------------------------


@cache
def kind_of(owner: type, field: str) -> TypeAdapter[Any]:
    """Return what checks the values of a field of a dataclass."""
    return TypeAdapter(get_type_hints(owner, include_extras=True)[field])


def write_value(value: Any) -> str:
    """Return a value in an address: a text itself, another as JSON, a list without its brackets.

    >>> write_value("avh > 1"), write_value(("a,b", None)), write_value(False)
    ('avh > 1', '"a,b",null', 'false')
    """
    if isinstance(value, str):
        return value
    return to_json(value, inf_nan_mode="null").decode().removeprefix("[").removesuffix("]")


def read_value(owner: type, field: str, text: str) -> Any:
    """Return the value of a field of a dataclass that `write_value` wrote; ValueError for another text."""
    kind = kind_of(owner, field)
    usual = getattr(owner, field)
    if field == "ids":
        return unpack_ids(text)
    if isinstance(usual, str):
        return kind.validate_python(text)
    if isinstance(usual, tuple):
        text = f"[{text}]"
    return kind.validate_json(text)


#: Characters of the longest address: servers refuse much longer ones.
LONGEST_ADDRESS = 8_000
#: The largest id that an address may name, so that no text becomes gigabytes.
_LARGEST_ID = 10**8


def pack_ids(ids: ArrayLike) -> str:
    """Return ids as a short text for an address: which are there, compressed.

    >>> unpack_ids(pack_ids([7, 3, 500]))
    (3, 7, 500)
    """
    marked = np.zeros(int(np.max(ids, initial=-1)) + 1, bool)
    marked[np.asarray(ids, np.int64)] = True
    return base64.urlsafe_b64encode(zlib.compress(np.packbits(marked).tobytes(), 9)).decode().rstrip("=")


def unpack_ids(text: str) -> tuple[int, ...]:
    """Return the ids of such a text, sorted; ValueError for any other text."""
    opened = zlib.decompressobj()
    try:
        packed = opened.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _LARGEST_ID // 8)
    except zlib.error as error:
        raise ValueError(text) from error
    if not opened.eof:
        raise ValueError(text)
    return tuple(np.flatnonzero(np.unpackbits(np.frombuffer(packed, np.uint8))).tolist())
