"""The facets of the sidebar: filters by histogram and by value, with the number of samples of each."""

import math
from dataclasses import dataclass, replace
from functools import partial
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
from avhcurate.datasets.table.filters import FILTERS, NONE, AnyOf, Filters
from avhcurate.errors import CurateError
from avhcurate.people.bins import bin_labels
from avhcurate.ui import url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.chart_style import of_hsf
from avhcurate.ui.components.facets import Bar, FacetEvent, Panel, facet_panels
from avhcurate.ui.score_help import score_name
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
    counted = {
        facet.key: _Counted(facet, all_of_it, some, table, facet.chosen(view.filters))
        for facet, all_of_it, some in zip(facets, everything, matching, strict=True)
    }
    return {
        key: one.panel(view)
        for key, one in counted.items()
        if one.everything.distinct >= FILTERS[one.facet.field].least or one.chosen or one.facet.find
    }


def show_facets(table: DatasetTable, panels: dict[str, Panel], *, key: str = "facets", label: str = "Filters") -> None:
    """Draw some of the panels, if there are any."""
    if panels:
        facet_panels(list(panels.values()), key=key, label=label, on_event=partial(_react, table.dataset.name))


# --- what there is -------------------------------------------------------------------------------------------


def _facets(table: DatasetTable, view: View) -> list[Facet]:
    facets = []
    for field, entry in FILTERS.items():
        if field == "ranges":
            facets += _histograms(table, view)
        elif field == "values":
            facets += [Facet(field, name) for name, *_ in view.filters.values]
        elif entry.column:
            names = getattr(entry, "names", None) or (lambda _: ())
            facets.append(Facet(field, entry.column, names=tuple(names(table))))
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
    """A facet with the counts of all samples and of those that match, and the values that are chosen."""

    facet: Facet
    everything: FacetCounts
    matching: FacetCounts
    table: DatasetTable
    chosen: tuple[Any, ...]

    def panel(self, view: View) -> Panel:
        facet, field = self.facet, self.facet.field
        if field == "ranges":
            return self._range(removable=facet.column != view.sort)
        values = self._values()
        bars = tuple(map(self._value_bar, values))
        if field == "hsf_bins":
            bins = ", ".join(bin_labels(self.table.edges))
            about = f"Human selection frequency: share of votes for the given label. Bins {bins}."
            return Panel(facet.key, f"{of_hsf(self.table.simulated)} bin", "columns", bars, about)
        title = FILTERS[field].title or shortened(facet.column, 60)
        distinct, more = max(self.everything.distinct, len(facet.names)), 0
        if distinct > MOST_VALUES:
            more = distinct - sum(value is not None for value in values)
        return Panel(facet.key, title, "rows", bars, more=more, find=facet.find, removable=field == "values")

    def _values(self) -> list[int | str | None]:
        """Return the values to list: all of a few; of many the found ones, or the chosen and the most frequent."""
        counts = self.matching.counts
        if self.facet.find:
            return [value for value in counts if value is not None]
        listed: list[Any] = list(range(len(self.facet.names)))
        if not 0 < len(listed) <= MOST_VALUES:
            chosen = [value for value in self.chosen if value not in (NONE, "")]
            frequent = sorted(counts, key=lambda value: -counts[value])
            every = dict.fromkeys([*chosen, *frequent, *self.everything.counts])
            listed = [value for value in every if value is not None][: max(MOST_VALUES, len(chosen))]
        if None in self.everything.counts:
            listed.append(None)
        return listed

    def _value_bar(self, value: int | str | None) -> Bar:
        entry, sent, text = FILTERS[self.facet.field], value, str(value)
        if value is None:
            sent = NONE
            if not self.facet.names:
                sent = ""
        if isinstance(entry, AnyOf):
            text = entry.name(value, self.table)
        elif self.facet.field == "values":
            text = shortened({"true": "yes", "false": "no", "": "none"}.get(str(sent), str(sent)), 80)
        return self._bar(value, text, value=sent, on=sent in self.chosen)

    def _range(self, *, removable: bool) -> Panel:
        facet = self.facet
        low, high = self.chosen or (-math.inf, math.inf)
        whole, narrowed, bars = is_whole(self.table, facet.column), (low, high) != (-math.inf, math.inf), []
        for number, (left, right) in enumerate(pairwise(facet.edges)):
            last = math.nextafter(right, -math.inf)
            if whole:
                last = right - 1
            text = f"{left:.4g}–{last:.4g}"
            if last == left:
                text = f"{left:.4g}"
            on = narrowed and left <= high and low < right
            bars.append(self._bar(number, text, on=on, low=left, high=last))
        # The first and the last bar have no end, so that rounding never loses the extreme samples.
        bars[0], bars[-1] = replace(bars[0], low=None), replace(bars[-1], high=None)
        title, ends = shortened(score_name(facet.column), 60), _ends(self.table, (facet.column,))[facet.column]
        chosen = _finite(low), _finite(high)
        return Panel(facet.key, title, "range", tuple(bars), ends=ends, chosen=chosen, removable=removable)

    def _bar(self, counted: int | str | None, text: str, **more: Any) -> Bar:
        return Bar(text, self.everything.counts.get(counted, 0), self.matching.counts.get(counted, 0), **more)


def _finite(end: float) -> float | None:
    if math.isfinite(end):
        return end
    return None


# --- what the user does --------------------------------------------------------------------------------------


def _react(dataset: str, event: FacetEvent) -> None:
    if event.kind == "find":
        st.session_state.setdefault(_FIND.format(dataset), {})[event.key] = event.find.strip()
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
    parse: Any = getattr(entry, "parse", str)
    if entry is None or not entry.column or event.kind != "value" or type(event.value) is not parse:
        return filters
    return filters.with_(**{field: _toggled(getattr(filters, field), event)})


def _toggled(chosen: tuple[Any, ...], event: FacetEvent) -> tuple[Any, ...]:
    others = tuple(value for value in chosen if value != event.value)
    if event.on:
        return (*others, event.value)
    return others
