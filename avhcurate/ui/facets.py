"""The facets of the sidebar: filters by histogram and by value, with the number of samples of each."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.facets import (
    MOST_VALUES,
    Facet,
    FacetCounts,
    count_facets,
    ends_of,
    is_whole,
    round_edges,
)
from avhcurate.datasets.table.filter_kinds import NONE, AllOf, AnyOf
from avhcurate.datasets.table.filters import FILTERS, Filters
from avhcurate.errors import CurateError
from avhcurate.people.bins import bin_labels
from avhcurate.ui import url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.components.facets import Bar, FacetEvent, Panel, facet_panels, heard
from avhcurate.ui.score_help import score_name, value_text
from avhcurate.ui.text import shortened
from avhcurate.ui.url_state import View

#: The most values of a facet whose number among all samples is known.
_KNOWN = 20_000
#: Session state, with a dataset's name: the texts to find, by the facet's key.
_FIND = "facets.find.{}"


def panels_of(table: DatasetTable, view: View) -> dict[str, Panel]:
    """Return what to draw, by the facet's key, in the order of the table of filters.

    A facet in which too few values occur is left out.
    """
    facets = _facets(table, view)
    everything = _count(table, Filters(excluded=None), tuple(replace(facet, find="") for facet in facets), _KNOWN)
    try:
        matching = _count(table, view.filters, tuple(facets), MOST_VALUES)
    except CurateError:  # the sidebar reports the condition that does not fit; no sample matches it
        matching = [FacetCounts({}, 0)] * len(facets)
    panels = {}
    for counts in zip(facets, everything, matching, strict=True):
        counted, facet = _Counted(*counts, table, view), counts[0]
        if counted.everything.distinct >= FILTERS[facet.field].least or counted.chosen or facet.find:
            panels[facet.key] = _panel(counted)
    return panels


def show_facets(table: DatasetTable, panels: dict[str, Panel], *, key: str = "facets", label: str = "Filters") -> None:
    """Draw some of the panels, if there are any."""
    if panels:
        dataset = table.dataset.name
        facet_panels(list(panels.values()), key=key, label=label, on_event=lambda: _react(dataset, heard(key)))


# --- what there is -------------------------------------------------------------------------------------------


def _facets(table: DatasetTable, view: View) -> list[Facet]:
    facets = []
    for field, entry in FILTERS.items():
        if field == "ranges":
            facets += _histograms(table, view)
        elif field == "values":
            facets += [Facet(field, name) for name, *_ in view.filters.values]
        elif entry.column:
            names: tuple[str, ...] = ()
            if isinstance(entry, AnyOf) and entry.names:
                names = tuple(entry.names(table))
            facets.append(Facet(field, entry.column, names=names))
    find: dict[str, str] = st.session_state.get(_FIND.format(table.dataset.name), {})
    return [replace(facet, find=find.get(facet.key, "")) for facet in facets]


def _histograms(table: DatasetTable, view: View) -> list[Facet]:
    """Return the facets of the sorted score and of the other ranges."""
    numbers = {*table.ranked}
    if table.votes:
        numbers |= {"hsf", "votes"}
    columns = dict.fromkeys([view.sort, *(key for key, _, _ in view.filters.ranges)])
    ends = _ends(table, tuple(key for key in columns if key in numbers))
    return [
        Facet("ranges", key, edges=round_edges(low, high, whole=is_whole(table, key)))
        for key, (low, high) in ends.items()
    ]


@st.cache_data(hash_funcs=HASH_FUNCS, max_entries=64, show_spinner=False)
def _ends(table: DatasetTable, columns: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    return ends_of(table, columns)


@st.cache_data(hash_funcs=HASH_FUNCS, max_entries=256, show_spinner=False)
def _count(table: DatasetTable, filters: Filters, facets: tuple[Facet, ...], most: int) -> list[FacetCounts]:
    return count_facets(table, filters, facets, most=most)


# --- what is drawn -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Counted:
    """A facet with the counts of all samples and of those that match."""

    facet: Facet
    everything: FacetCounts
    matching: FacetCounts
    table: DatasetTable
    view: View

    @property
    def chosen(self) -> tuple[Any, ...]:
        return self.facet.chosen(self.view.filters)

    def bar(self, counted: int | str | None, text: str, **more: Any) -> Bar:
        return Bar(text, self.everything.counts.get(counted, 0), self.matching.counts.get(counted, 0), **more)


def _panel(counted: _Counted) -> Panel:
    facet, field = counted.facet, counted.facet.field
    if field == "ranges":
        return _range_panel(counted)
    values = _values(counted)
    bars = tuple(_value_bar(counted, value) for value in values)
    if field == "hsf_bins":
        title = "HSF bin"
        if counted.table.simulated:
            title = "HSF bin (simulated)"
        bins = ", ".join(bin_labels(counted.table.edges))
        about = f"Human selection frequency: share of votes for the given label. Bins {bins}."
        return Panel(facet.key, title, "columns", bars, about)
    title = FILTERS[field].title or shortened(facet.column, 60)
    if isinstance(FILTERS[field], AllOf):
        title += "s"
    more = 0
    if (distinct := max(counted.everything.distinct, len(facet.names))) > MOST_VALUES:
        more = distinct - sum(value is not None for value in values)
    return Panel(facet.key, title, "rows", bars, more=more, find=facet.find, removable=field == "values")


def _values(counted: _Counted) -> list[int | str | None]:
    """Return the values to list: all of a few; of many the found ones, or the chosen and the most frequent."""
    facet, everything, matching = counted.facet, counted.everything, counted.matching
    if facet.find:
        return [value for value in matching.counts if value is not None]
    if facet.names and len(facet.names) <= MOST_VALUES:
        listed: list[Any] = list(range(len(facet.names)))
    else:
        frequent = sorted(matching.counts, key=lambda value: -matching.counts[value])
        chosen = [value for value in counted.chosen if value not in (NONE, "")]
        listed = [value for value in dict.fromkeys([*chosen, *frequent, *everything.counts]) if value is not None]
        listed = listed[: max(MOST_VALUES, len(chosen))]
    if None in everything.counts:
        listed.append(None)
    return listed


def _value_bar(counted: _Counted, value: int | str | None) -> Bar:
    facet = counted.facet
    entry = FILTERS[facet.field]
    sent = value
    if value is None:
        sent = ""
        if facet.names:
            sent = NONE
    if isinstance(entry, AnyOf):
        text = entry.name(value, counted.table)
    elif facet.field == "values":
        text = shortened(value_text(counted.table.kinds[facet.column], str(sent)), 80)
    else:
        text = str(value)
    return counted.bar(value, text, value=sent, on=sent in counted.chosen)


def _range_panel(counted: _Counted) -> Panel:
    facet, table = counted.facet, counted.table
    low, high = counted.chosen or (-math.inf, math.inf)
    whole, last = is_whole(table, facet.column), len(facet.edges) - 2
    narrowed, bars = math.isfinite(low) or math.isfinite(high), []
    for number, (left, right) in enumerate(pairwise(facet.edges)):
        end, last_value = right, math.nextafter(right, -math.inf)
        if whole:
            end = last_value = right - 1
        text = f"{left:.4g}–{end:.4g}"
        if end == left:
            text = f"{left:.4g}"
        # The first and the last bar have no end, so that rounding never loses the extreme samples.
        ends: dict[str, float | None] = {"low": left, "high": last_value}
        if number == 0:
            ends["low"] = None
        if number == last:
            ends["high"] = None
        bars.append(counted.bar(number, text, on=narrowed and left <= high and low < right, **ends))
    return Panel(
        facet.key,
        shortened(score_name(facet.column), 60),
        "range",
        tuple(bars),
        ends=_ends(table, (facet.column,))[facet.column],
        chosen=(_finite(low), _finite(high)),
        removable=facet.column != counted.view.sort,
    )


def _finite(end: float) -> float | None:
    if math.isfinite(end):
        return end
    return None


# --- what the user does --------------------------------------------------------------------------------------


def _react(dataset: str, event: FacetEvent | None) -> None:
    if event is None:
        return
    if event.kind == "find":
        texts = _FIND.format(dataset)
        st.session_state[texts] = st.session_state.get(texts, {}) | {event.key: event.find}
        return
    view = url_state.current()
    changed = changed_filters(view.filters, event, sort=view.sort)
    if changed != view.filters:
        url_state.change(filters=changed)


def changed_filters(filters: Filters, event: FacetEvent, *, sort: str) -> Filters:
    """Return the filters after an event; an invalid event changes nothing.

    A range without ends is kept, unless it is of the column `sort`, whose facet is always there.
    """
    field, _, column = event.key.partition(":")
    entry = FILTERS.get(field)
    if column and field in ("ranges", "values"):
        items = {one[0]: one for one in getattr(filters, field)}
        if event.kind == "remove":
            items.pop(column, None)
        elif field == "values" and event.kind == "value":
            items[column] = (column, *_toggled(items.get(column, (column,))[1:], event))
        elif field == "ranges" and event.kind == "range":
            items[column] = (column, event.low, event.high)
            if column == sort and math.isinf(event.low) and math.isinf(event.high):
                del items[column]
        return filters.with_(**{field: tuple(items.values())})
    parse: Any = str
    if isinstance(entry, AnyOf):
        parse = entry.parse
    if entry is None or not entry.column or event.kind != "value" or type(event.value) is not parse:
        return filters
    return filters.with_(**{field: _toggled(getattr(filters, field), event)})


def _toggled(chosen: tuple[Any, ...], event: FacetEvent) -> tuple[Any, ...]:
    others = tuple(value for value in chosen if value != event.value)
    if event.on:
        return (*others, event.value)
    return others
