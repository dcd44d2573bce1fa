"""The one table of filters: facets, widgets, chips and addresses follow from its entries."""

import datetime
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from avhcurate.datasets.table.address_values import pack_ids, read_value, write_value
from avhcurate.datasets.table.filter_kinds import (
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Ids,
    OneOf,
    Ranges,
    Sql,
    Table,
    Values,
    all_hold,
)
from avhcurate.errors import CurateError
from avhcurate.people.bins import bin_labels


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
    return {*table.scores, "hsf", "votes", *table.predictions, *table.agreed, *table.measures, *table.own("number")}


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
    panel: tuple[str | None, ...] = _filter(
        (),
        AnyOf(
            key="panel",
            title="Consensus of",
            offered=lambda table: table.panel and (None, *table.panel),
            column="consensus_of",
            folded=True,
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
        fields = {name: getattr(self, name) for name in FILTERS}
        parts = [FILTERS[name].sql(value, table) for name, value in fields.items() if value != ""]
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
