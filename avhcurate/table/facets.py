"""Facets: how many samples have each value of some columns, all of them and those that match, in one query."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from avhcurate.table.filters import FILTERS, Filters, quote
from avhcurate.table.sample_table import SampleTable

#: Bars of a histogram, and values of a facet, at most.
BARS, MOST_VALUES = 24, 50
#: Fields of `Filters` that hold (column, ...) of any number of columns.
_BY_COLUMN = ("ranges", "values")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


@dataclass(frozen=True)
class Facet:
    """A column to count by, and the field of `Filters` that chooses among its values.

    Of a number, `edges` bound the bars of a histogram: bar i holds the values from edge i up to edge i + 1, the last
    one both ends. `names` are those of values that are indices. `find` leaves the values whose name has it within.
    """

    field: str
    column: str
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    find: str = ""

    @property
    def key(self) -> str:
        """Its name among the facets of a table: the field, with the column where the field takes several."""
        return f"{self.field}:{self.column}" if self.field in _BY_COLUMN else self.field

    @property
    def indexed(self) -> bool:
        """Whether its values are indices: of names, or of bars."""
        return bool(self.edges or self.names)

    def conditions(self, filters: Filters) -> tuple[Any, ...]:
        """The part of the filters that is about this column, as their field has it."""
        value: tuple[Any, ...] = getattr(filters, self.field)
        return tuple(one for one in value if one[0] == self.column) if self.field in _BY_COLUMN else value

    def chosen(self, filters: Filters) -> tuple[Any, ...]:
        """The values chosen; of a range its two ends."""
        conditions = self.conditions(filters)
        return tuple(value for one in conditions for value in one[1:]) if self.field in _BY_COLUMN else conditions


@dataclass(frozen=True)
class FacetCounts:
    """How many samples have each value of a facet (None: have none), and how many values occur."""

    counts: dict[int | str | None, int]
    distinct: int


def count_facets(
    table: SampleTable, filters: Filters, facets: Sequence[Facet], *, most: int = MOST_VALUES
) -> list[FacetCounts]:
    """How many of the samples that match have each value: indices in their order, texts with the most samples first.

    What a facet itself has chosen does not narrow its own counts: they tell what another choice would add. Tags are the
    exception, since a sample must have all that are chosen. Of more than `most` values the chosen and the most frequent
    are counted; values without samples are left out.
    """
    if not facets:
        return []
    rest, failed, parameters = _conditions(table, filters, facets)
    found, finds = _found(facets)
    first, chosen = _chosen_first(filters, facets)
    parts = [*_flat(table, facets, rest, failed), *_listed(facets, rest, failed)]
    bits = _by_facet([2**place for place in range(len(facets))])
    query = (
        f"WITH counted AS ({' UNION ALL '.join(parts)}), "
        "summed AS (SELECT facet, value, sum(n)::BIGINT AS samples, count(value) OVER (PARTITION BY facet) AS known "
        f"FROM counted WHERE failed IN (0, {bits}) GROUP BY facet, value) "
        f"SELECT * FROM summed WHERE {found} QUALIFY row_number() OVER "
        f"(PARTITION BY facet ORDER BY {first} DESC, samples DESC, value) <= ?"
    )
    rows = table.query(query, [*parameters * len(parts), *finds, *chosen, most], where=filters.where)
    return [_counts(facet, [row[1:] for row in rows if row[0] == place]) for place, facet in enumerate(facets)]


def ends_of(table: SampleTable, columns: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The least and the largest finite value of each numeric column that has any."""
    names = [table.column(column) for column in columns]
    ends = [f"{end}({name}) FILTER (WHERE isfinite({name}::DOUBLE))" for name in names for end in ("min", "max")]
    row = table.query(f"SELECT {', '.join(ends)} FROM samples")[0] if ends else ()
    pairs = zip(columns, row[::2], row[1::2], strict=True)
    return {column: (float(least), float(most)) for column, least, most in pairs if least is not None}


def is_whole(table: SampleTable, column: str) -> bool:
    """Whether a column holds whole numbers."""
    return table.types[column] in _WHOLE


def round_edges(least: float, most: float, *, whole: bool = False, bars: int = BARS) -> tuple[float, ...]:
    """Edges of at most `bars` bars, in steps of 1, 2 or 5 times a power of ten, around all values.

    `whole` numbers have a bar each where there is room.

    >>> round_edges(0.03, 0.11, bars=5)
    (0.02, 0.04, 0.06, 0.08, 0.1, 0.12)
    >>> round_edges(1, 3, whole=True)
    (1.0, 2.0, 3.0, 4.0)
    """
    most += whole  # the last bar holds the largest number alone, as every other holds its own
    for power in range(math.floor(math.log10(max((most - least) / bars, 1e-300))), 400):
        for times in (1, 2, 5):
            step = float(f"{times}e{power}")
            first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
            if last - first <= bars and (step >= 1 or not whole):
                return tuple(float(f"{i * times}e{power}") for i in range(first, max(last, first + 1) + 1))
    raise ValueError(f"no edges around {least} and {most}")


# --- SQL -----------------------------------------------------------------------------------------------------


def _value(table: SampleTable, facet: Facet) -> str:
    name = quote(facet.column) if facet.column.startswith("_") else table.column(facet.column)
    if facet.field == "values":
        return f"nullif({name}::VARCHAR, '')"
    if not facet.edges:
        return name
    # Infinite numbers become null. Rounding may name a bar beyond the first or the last: see `_within`.
    low, step = facet.edges[0], facet.edges[1] - facet.edges[0]
    return f"TRY_CAST(floor(({name} - {low!r}) / {step!r} + 1e-9) AS INTEGER)"


def _within(facet: Facet, value: str) -> str:
    """SQL of a bar among those there are: done for the few that were counted, it costs nothing."""
    bar = f"CASE WHEN {value} IS NOT NULL THEN least(greatest({value}, 0), {len(facet.edges) - 2}) END"
    return bar if facet.edges else value


def _conditions(table: SampleTable, filters: Filters, facets: Sequence[Facet]) -> tuple[str, str, list[Any]]:
    """SQL of what no facet chooses, SQL of a bit for each facet whose choice a sample fails, and the parameters."""
    own = [() if facet.field == "tags" else facet.conditions(filters) for facet in facets]
    left = {
        facet.field: tuple(value for value in getattr(filters, facet.field) if not any(value in one for one in own))
        for facet in facets
    }
    rest, values = filters.with_(**left).to_sql(table)
    conditions = [FILTERS[facet.field].sql(chosen, table) for facet, chosen in zip(facets, own, strict=True)]
    bits = [f"(({text}) IS NOT TRUE)::INTEGER << {bit}" for bit, (text, _) in enumerate(conditions) if text]
    parameters = [value for _, some in conditions for value in some]
    return rest, " | ".join(f"({bit})" for bit in bits) or "0", [*parameters, *values]


def _flat(table: SampleTable, facets: Sequence[Facet], rest: str, failed: str) -> list[str]:
    """SQL of `facet, value, failed, n` of the facets of which a sample has one value, all in one pass."""
    flat = [place for place, facet in enumerate(facets) if facet.field != "tags"]
    if not flat:
        return []
    names = [f"f{place}" for place in flat]
    bars = [f"{_within(facets[place], f'f{place}')}::VARCHAR" for place in flat]
    values = ", ".join(f"{_value(table, facets[place])} AS f{place}" for place in flat)
    # GROUPING has a bit for each column that a set leaves out, the first column's the highest.
    sets = {2 ** len(flat) - 1 - 2 ** (len(flat) - 1 - at): place for at, place in enumerate(flat)}
    facet = " ".join(f"WHEN {left_out} THEN {place}" for left_out, place in sets.items())
    return [
        f"SELECT CASE GROUPING({', '.join(names)}) {facet} END AS facet, "
        f"coalesce(NULL, {', '.join(bars)}) AS value, failed, count(*) AS n "
        f"FROM (SELECT {values}, {failed} AS failed FROM samples WHERE {rest}) "
        # A sample that fails the choices of two facets counts for none.
        "WHERE failed & (failed - 1) = 0 "
        f"GROUP BY GROUPING SETS ({', '.join(f'({name}, failed)' for name in names)})"
    ]


def _listed(facets: Sequence[Facet], rest: str, failed: str) -> list[str]:
    """The same of tags, of which a sample has several."""
    return [
        f"SELECT {place} AS facet, unnest(tags) AS value, 0 AS failed, 1 AS n "
        f"FROM (SELECT tags, {failed} AS failed FROM samples WHERE {rest}) WHERE failed = 0 AND len(tags) > 0"
        for place, facet in enumerate(facets)
        if facet.field == "tags"
    ]


def _by_facet(values: Sequence[Any]) -> str:
    return f"CASE facet {' '.join(f'WHEN {place} THEN {value}' for place, value in enumerate(values))} END"


def _found(facets: Sequence[Facet]) -> tuple[str, list[Any]]:
    """SQL of a value whose name has within what is looked for, and its parameters."""
    tests, parameters = ["TRUE"], list[Any]()
    for place, facet in enumerate(facets):
        if facet.find:
            name = "list_extract(?::VARCHAR[], TRY_CAST(value AS INTEGER) + 1)" if facet.names else "value"
            tests.append(f"(facet <> {place} OR contains(lower({name}), lower(?)))")
            parameters += [list(facet.names)] * bool(facet.names) + [facet.find]
    return " AND ".join(tests), parameters


def _chosen_first(filters: Filters, facets: Sequence[Facet]) -> tuple[str, list[Any]]:
    """SQL that is true of values that are chosen, and of none."""
    chosen = [[] if facet.edges else [str(value) for value in facet.chosen(filters)] for facet in facets]
    lists = _by_facet(["?::VARCHAR[]"] * len(facets))
    return f"(value IS NULL OR list_contains({lists}, value))", chosen


def _counts(facet: Facet, rows: Sequence[tuple[Any, ...]]) -> FacetCounts:
    counts: dict[Any, int] = {
        int(value) if facet.indexed and value is not None else value: samples for value, samples, _ in rows
    }
    known = [value for value in counts if value is not None]
    known.sort(key=None if facet.indexed else lambda value: (-counts[value], value))
    order = [*known, None] if None in counts else known
    return FacetCounts({value: counts[value] for value in order}, rows[0][2] if rows else 0)
