"""Facets: how many samples have each value of some columns, all of them and those that match."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from avhcurate.datasets.table.columns import quote
from avhcurate.datasets.table.filter_kinds import Filter, Ranges, Values
from avhcurate.datasets.table.filters import FILTERS, Filters, offered_ranges
from avhcurate.datasets.table.sample_table import SampleTable

#: Bars of a histogram, and values of a facet, at most.
BARS = 24
MOST_VALUES = 50
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


@dataclass(frozen=True)
class Facet:
    """A column to count by, and the field of `Filters` that chooses among its values.

    Of a number, `edges` bound the bars of a histogram: bar i holds the values from edge i up to edge i + 1, the last
    one both ends. `names` are those of values that are indices. Only values whose name contains `find` count.
    """

    field: str
    column: str
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    find: str = ""

    @property
    def by_column(self) -> bool:
        """Whether the field holds (column, ...) of any number of columns."""
        return isinstance(FILTERS[self.field], Ranges | Values)

    @property
    def key(self) -> str:
        """Its name among the facets of a table: the field, with the column if the field has several."""
        if self.by_column:
            return f"{self.field}:{self.column}"
        return self.field

    def values(self, filters: Filters) -> tuple[Any, ...]:
        """Return the values that are selected; of a range its two ends."""
        value: tuple[Any, ...] = getattr(filters, self.field)
        if self.by_column:
            return next((tuple(values) for column, *values in value if column == self.column), ())
        return value

    def others(self, filters: Filters) -> Filters:
        """Return the filters without what this facet chooses; tags stay, since a sample must have all of them."""
        if self.column == "tags":
            return filters
        others = ()
        if self.by_column:
            others = tuple(entry for entry in getattr(filters, self.field) if entry[0] != self.column)
        return filters.with_(**{self.field: others})

    def only(self, *value: Any) -> Filters:
        """Return the filters of the samples with one value, or between two ends."""
        fields: dict[str, Any] = {self.field: value}
        if self.by_column:
            fields = {self.field: ((self.column, *value),)}
        return Filters(**fields)

    def sql(self, table: SampleTable) -> str:
        """Return SQL of the value of a sample; an infinite number has none."""
        if self.edges:
            low = self.edges[0]
            step = self.edges[1] - self.edges[0]
            bar = f"TRY_CAST(floor(({table.column(self.column)} - {low!r}) / {step!r} + 1e-9) AS INTEGER)"
            # Rounding may name a bar before the first or after the last; least() would make null a number.
            return f"CASE WHEN {bar} IS NOT NULL THEN least(greatest({bar}, 0), {len(self.edges) - 2}) END"
        if self.column == "tags":
            return "unnest(tags)"
        if self.names:
            return quote(self.column)
        return f"nullif({table.column(self.column)}::VARCHAR, '')"


#: How many samples have each value of a facet; None: have none.
Counts = dict[int | str | None, int]


def count_facets(
    table: SampleTable, filters: Filters, facets: Sequence[Facet], *, limit: int = MOST_VALUES
) -> list[Counts]:
    """Return how many of the samples that match have each value: indices in order, texts with most samples first.

    What a facet itself has chosen does not narrow its own counts: they tell what another choice would add. Of more than
    `limit` values the chosen and the most frequent are counted; values without samples are left out.
    """
    return [_count(table, filters, facet, limit) for facet in facets]


def _count(table: SampleTable, filters: Filters, facet: Facet, limit: int) -> Counts:
    condition, parameters = facet.others(filters).to_sql(table)
    values = list[str]()
    if not facet.edges:
        values = [str(value) for value in facet.values(filters)]
    name = "value::VARCHAR"
    search = "TRUE"
    if facet.find:
        if facet.names:
            parameters.append(list(facet.names))
            name = "list_extract(?::VARCHAR[], value + 1)"
        parameters.append(facet.find)
        search = f"contains(lower({name}), lower(?))"
    rows = table.query(
        f"SELECT value, count(*) AS n FROM (SELECT {facet.sql(table)} AS value FROM samples WHERE {condition}) "
        f"WHERE {search} GROUP BY value "
        "ORDER BY (value IS NULL OR list_contains(?::VARCHAR[], value::VARCHAR)) DESC, n DESC, value LIMIT ?",
        [*parameters, values, limit],
        where=filters.where,
    )
    if facet.edges or facet.names:
        rows.sort(key=lambda row: (row[0] is None, row[0]))
    else:
        rows.sort(key=lambda row: (row[0] is None, -row[1]))
    return dict(rows)


def ends_of(table: SampleTable, columns: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the smallest and the largest finite value of each numeric column that has any."""
    ends = {}
    for column in columns:
        name = table.column(column)
        ((low, high),) = table.query(f"SELECT min({name}), max({name}) FROM samples WHERE isfinite({name}::DOUBLE)")
        if low is not None:
            ends[column] = float(low), float(high)
    return ends


def column_of(entry: Filter) -> str:
    """Return the name of the column by which a filter chooses, as users know it."""
    return entry.column.lstrip("_")


def facet_of(table: SampleTable, name: str, *, most: int = BARS) -> Facet | None:
    """Return the facet of a column, as `split`, `hsf_bin` or one of the user's; None for one without a facet.

    `most`: the most bars of a histogram.
    """
    for field, entry in FILTERS.items():
        if entry.column and name == column_of(entry) and (entry.offered is None or entry.offered(table)):
            return Facet(field, entry.column, names=tuple(entry.names(table)))
    if name in table.own("text", "yes or no"):
        return Facet("values", name)
    if name not in offered_ranges(table):
        return None
    for low, high in ends_of(table, [name]).values():
        whole = is_whole(table, name)
        return Facet("ranges", name, edges=round_edges(low, high, whole=whole, most=most))
    return None


def bars_of(table: SampleTable, facet: Facet) -> list[tuple[str, float | None, float | None]]:
    """Return the name of each bar of a histogram, and the first and last value that it holds.

    The first and the last bar have no end, so that rounding never loses the extreme samples.
    """
    whole = is_whole(table, facet.column)
    starts = facet.edges[:-1]
    lasts = [math.nextafter(edge, -math.inf) for edge in facet.edges[1:]]
    if whole:
        lasts = [edge - 1 for edge in facet.edges[1:]]
    names = []
    for first, last in zip(starts, lasts, strict=True):
        name = f"{first:.4g}–{last:.4g}"
        if first == last:
            name = f"{first:.4g}"
        names.append(name)
    return list(zip(names, [None, *starts[1:]], [*lasts[:-1], None], strict=True))


def value_counts(table: SampleTable, facet: Facet, filters: Filters, *, limit: int = MOST_VALUES) -> pd.DataFrame:
    """Return `name, n, to` of the values of a facet among the samples that match, with the filters `to` of each.

    Classes, HSF bins and bars of a histogram have a row also without samples; other values come most frequent first.
    """
    condition, parameters = filters.to_sql(table)
    value = f"SELECT {facet.sql(table)} AS value FROM samples WHERE {condition}"
    query = f"SELECT value, count(*) FROM ({value}) GROUP BY value ORDER BY 2 DESC, value LIMIT {limit}"
    counts = dict(table.query(query, parameters, where=filters.where))
    if facet.edges:
        bars = enumerate(bars_of(table, facet))
        rows = [(name, counts.get(number, 0), facet.only(*ends)) for number, (name, *ends) in bars]
        rows.append(("none", counts.get(None, 0), Filters(where=f"{quote(facet.column)} IS NULL")))
    else:
        name = FILTERS[facet.field].name
        counts = dict.fromkeys(range(len(facet.names)), 0) | counts
        rows = [(name(value, table), n, facet.only(value)) for value, n in counts.items()]
    return pd.DataFrame(rows, columns=["name", "n", "to"])


def histogram(table: SampleTable, column: str, filters: Filters) -> pd.DataFrame:
    """Return the bars of a column of numbers, `low, high, n, to`; none where it has no number."""
    facet = facet_of(table, column)
    if facet is None:
        return pd.DataFrame(columns=["low", "high", "n", "to"])
    return value_counts(table, facet, filters)[:-1].assign(low=facet.edges[:-1], high=facet.edges[1:])


def is_whole(table: SampleTable, column: str) -> bool:
    """Return whether a column holds whole numbers."""
    return table.types[column] in _WHOLE


def round_edges(low: float, high: float, *, whole: bool, most: int = BARS) -> tuple[float, ...]:
    """Return edges of at most so many bars, in steps of 1, 2 or 5 times a power of ten, around all values.

    `whole` numbers have a bar each if there are few.

    >>> round_edges(0.03, 0.11, whole=False)[:4]
    (0.03, 0.035, 0.04, 0.045)
    >>> round_edges(1, 3, whole=True)
    (1.0, 2.0, 3.0, 4.0)
    """
    high += whole  # the last bar holds only the largest number, as every other bar holds its own
    for power in range(math.floor(math.log10(max((high - low) / most, 1e-300))), 400):
        for times in (1, 2, 5):
            step = float(f"{times}e{power}")
            first = math.floor(low / step + 1e-9)
            last = math.ceil(high / step - 1e-9)
            if last - first <= most and (step >= 1 or not whole):
                return tuple(float(f"{i * times}e{power}") for i in range(first, max(last, first + 1) + 1))
    raise ValueError(f"no edges around {low} and {high}")
