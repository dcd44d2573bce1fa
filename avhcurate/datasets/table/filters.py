"""The one table of filters: facets, widgets, chips and addresses follow from its entries."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from avhcurate.datasets.table.filter_kinds import (
    NONE,
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
    read_day,
)
from avhcurate.errors import CurateError
from avhcurate.people.bins import bin_labels


def _class_indices(table: Table) -> Container[int]:
    return range(NONE, len(table.classes))


def _bin_names(table: Table) -> list[str]:
    return [label.strip("[])").replace(", ", "–") for label in bin_labels(table.edges)]


def _class_filter(key: str, column: str, title: str, *, folded: bool = False) -> Any:
    entry = AnyOf(
        key=key,
        title=title,
        noun="class",
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
            noun="HSF bin",
            offered=lambda table: range(NONE, len(table.edges) - 1),
            column="_hsf_bin",
            parse=int,
            names=_bin_names,
        ),
    )
    ranges: tuple[tuple[str, float, float], ...] = _filter(
        (), Ranges(key="range", title="Score range", noun="score", offered=_offered_ranges)
    )
    classes: tuple[int, ...] = _class_filter("class", "label", "Class")
    tags: tuple[str, ...] = _filter((), AllOf(key="tag", title="Tag", column="tags", test="list_contains(tags, ?)"))
    splits: tuple[str, ...] = _filter((), AnyOf(key="split", title="Split", column="split", least=2))
    sets: tuple[str, ...] = _filter(
        (),
        AllOf(
            key="set",
            title="Set",
            noun="set",
            offered=lambda table: table.sets,
            test="id IN (SELECT id FROM memberships WHERE name = ?)",
        ),
    )
    values: tuple[tuple[str, ...], ...] = _filter(
        (), Values(key="value", noun="column of values", offered=lambda table: table.own("text", "yes or no"))
    )
    dates: tuple[tuple[str, str, str], ...] = _filter(
        (),
        Ranges(
            key="date",
            noun="column of dates",
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
    ids: tuple[int, ...] | None = _filter(None, Ids(key=""))

    def to_sql(self, table: Table) -> Sql:
        """Return one condition over the sample table, in brackets, and its parameters."""
        condition, values = all_hold([entry.sql(getattr(self, name), table) for name, entry in FILTERS.items()])
        return f"({condition or 'TRUE'})", values

    def to_query(self) -> dict[str, str]:
        """Return the conditions as parameters of an address; defaults are left out.

        >>> Filters(hsf_bins=(0, 1), ranges=(("avh", 0.1, 0.2),)).to_query()
        {'bin': '0,1', 'range': 'avh:0.1:0.2'}
        """
        written = {entry.key: entry.write(getattr(self, name)) for name, entry in FILTERS.items() if entry.key}
        return {key: text for key, text in written.items() if text}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """Return the filters of such parameters; one that cannot be read is refused by name."""
        values = {}
        for name, entry in FILTERS.items():
            if entry.key and (text := query.get(entry.key)):
                try:
                    values[name] = entry.read(text)
                except (ValueError, KeyError) as error:
                    raise CurateError(
                        f"the address has {entry.key}={text}, which is not a {entry.key} filter. Leave it out."
                    ) from error
        return cls(**values)

    def fit(self, table: Table) -> tuple["Filters", list[str]]:
        """Return the filters without what the table does not have, and a notice for each kind that lost something.

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
    """Return what a value names: its column if it has one."""
    if isinstance(value, tuple):
        return value[0]
    return value


def _names(values: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(str(_named(value)) for value in values))


#: Every filter by its field of `Filters`.
FILTERS: dict[str, Filter] = {field.name: field.metadata["filter"] for field in fields(Filters)}
#: The parameters of filters in an address.
FILTER_KEYS = tuple(entry.key for entry in FILTERS.values() if entry.key)
