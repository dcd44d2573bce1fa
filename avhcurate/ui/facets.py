"""The facets of the sidebar: filters by histogram and by value, with the number of samples of each."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.facets import MOST_VALUES, Facet, FacetCounts, count_facets, ends_of, is_whole, round_edges
from avhcurate.table.filters import NONE, Filters
from avhcurate.ui import url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.components.facets import Bar, FacetEvent, Panel, facet_panels, heard
from avhcurate.ui.score_help import score_name, value_text
from avhcurate.ui.text import shortened
from avhcurate.ui.url_state import View
from avhcurate.votes.bins import bin_labels

#: Fields of `Filters` that facets choose, and what their buttons send back.
FIELDS: dict[str, type] = {"hsf_bins": int, "classes": int, "predicted": int, "splits": str, "tags": str, "values": str}
_TITLES = {"classes": "Class", "predicted": "Predicted class", "splits": "Split", "tags": "Tags"}
#: What samples without a value are called, and the filter's value for them.
_MISSING = {"hsf_bins": "none", "splits": "no split"}
_MISSING_VALUE = {int: NONE, str: ""}
#: So many values of a facet have a number of all samples beside that of the matching ones.
_KNOWN = 20_000
#: Session state, with a dataset's name: the texts looked for, by the facet's key.
_FIND = "facets.find.{}"


def panels_of(table: DatasetTable, view: View) -> dict[str, Panel]:
    """What to draw, by the facet's key: HSF, the sorted score, other ranges, then classes, tags and splits.

    Tags are left out where there are none, splits where there is one.
    """
    facets = _facets(table, view)
    everything = _count(table, Filters(excluded=None), tuple(replace(facet, find="") for facet in facets), _KNOWN)
    try:
        matching = _count(table, view.filters, tuple(facets), MOST_VALUES)
    except CurateError:  # a condition that does not fit, which the sidebar says, matches nothing
        matching = [FacetCounts({}, 0)] * len(facets)
    counted = zip(facets, everything, matching, strict=True)
    panels = [_panel(_Counted(*counts, table, view)) for counts in counted]
    return {panel.key: panel for panel in panels if _worth_showing(panel)}


def show_facets(table: DatasetTable, panels: dict[str, Panel], *, key: str = "facets", label: str = "Filters") -> None:
    """Draws some of the panels; nothing where there are none."""
    if panels:
        dataset = table.dataset.name
        facet_panels(list(panels.values()), key=key, label=label, on_event=lambda: _react(dataset, heard(key)))


# --- what there is -------------------------------------------------------------------------------------------


def _facets(table: DatasetTable, view: View) -> list[Facet]:
    numbers = {*table.ranked, *(("hsf", "votes") if table.votes else ())}
    columns = dict.fromkeys([view.sort, *(key for key, _, _ in view.filters.ranges)])
    ends = _ends(table, tuple(key for key in columns if key in numbers))
    facets = [Facet("hsf_bins", "_hsf_bin", names=tuple(bin_labels(table.edges)))] if table.votes else []
    for key, (least, most) in ends.items():
        facets.append(Facet("ranges", key, edges=round_edges(least, most, whole=is_whole(table, key))))
    facets += [Facet("classes", "label", names=table.classes), Facet("tags", "tags"), Facet("splits", "split")]
    facets += [Facet("values", name) for name, *_ in view.filters.values]
    if table.run:
        facets.append(Facet("predicted", "predicted", names=table.classes))
    find: dict[str, str] = st.session_state.get(_FIND.format(table.dataset.name), {})
    return [replace(facet, find=find.get(facet.key, "")) for facet in facets]


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
        title = "HSF bin (simulated)" if counted.table.simulated else "HSF bin"
        about = f"Human selection frequency: share of votes for the given label. Bins {', '.join(facet.names)}."
        return Panel(facet.key, title, "columns", bars, about)
    title = shortened(facet.column, 60) if field == "values" else _TITLES[field]
    distinct = max(counted.everything.distinct, len(facet.names))
    more = distinct - sum(value is not None for value in values) if distinct > MOST_VALUES else 0
    return Panel(facet.key, title, "rows", bars, more=more, find=facet.find, removable=field == "values")


def _values(counted: _Counted) -> list[int | str | None]:
    """The values to list: all of a few; of many those that are looked for, else the chosen and the most frequent."""
    facet, everything, matching = counted.facet, counted.everything, counted.matching
    missing = [None] if None in everything.counts else []
    if facet.find:
        return [value for value in matching.counts if value is not None]
    if facet.names and len(facet.names) <= MOST_VALUES:
        return [*range(len(facet.names)), *missing]
    frequent = sorted(matching.counts, key=lambda value: -matching.counts[value])
    chosen = [value for value in counted.chosen if value not in _MISSING_VALUE.values()]
    listed = [value for value in dict.fromkeys([*chosen, *frequent, *everything.counts]) if value is not None]
    return [*listed[: max(MOST_VALUES, len(chosen))], *missing]


def _value_bar(counted: _Counted, value: int | str | None) -> Bar:
    facet, field = counted.facet, counted.facet.field
    sent = _MISSING_VALUE[FIELDS[field]] if value is None else value
    if field == "values":
        text = shortened(value_text(counted.table.kinds[facet.column], str(sent)), 80)
    elif isinstance(value, int):
        text = facet.names[value]
    else:
        text = _MISSING.get(field, "no label") if value is None else value
    if field == "hsf_bins":
        text = text.strip("[])").replace(", ", "–")
    return counted.bar(value, text, value=sent, on=sent in counted.chosen)


def _range_panel(counted: _Counted) -> Panel:
    facet, table = counted.facet, counted.table
    low, high = counted.chosen or (-math.inf, math.inf)
    whole, last = is_whole(table, facet.column), len(facet.edges) - 2
    narrowed, bars = math.isfinite(low) or math.isfinite(high), []
    for place, (left, right) in enumerate(pairwise(facet.edges)):
        end = right - 1 if whole else right
        text = f"{left:.4g}" if end == left else f"{left:.4g}–{end:.4g}"
        # The first and the last bar have no end, so that rounding never loses the extreme samples.
        first_value, last_value = left, end if whole else math.nextafter(right, -math.inf)
        ends = {"low": first_value if place else None, "high": last_value if place < last else None}
        bars.append(counted.bar(place, text, on=narrowed and left <= high and low < right, **ends))
    return Panel(
        facet.key,
        shortened(score_name(facet.column), 60),
        "range",
        tuple(bars),
        ends=_ends(table, (facet.column,))[facet.column],
        chosen=(low if math.isfinite(low) else None, high if math.isfinite(high) else None),
        removable=facet.column != counted.view.sort,
    )


def _worth_showing(panel: Panel) -> bool:
    chosen = panel.find or any(bar.on for bar in panel.bars)
    least = {"splits": 2, "tags": 1, "classes": 1}.get(panel.key, 0)
    return bool(chosen) or len(panel.bars) >= least


# --- what the user does --------------------------------------------------------------------------------------


def _react(dataset: str, event: FacetEvent | None) -> None:
    if event is None:
        return
    if event.kind == "find":
        looked_for = _FIND.format(dataset)
        st.session_state[looked_for] = st.session_state.get(looked_for, {}) | {event.key: event.find}
        return
    view = url_state.current()
    changed = changed_filters(view.filters, event, sort=view.sort)
    if changed != view.filters:
        url_state.change(filters=changed)


def changed_filters(filters: Filters, event: FacetEvent, *, sort: str) -> Filters:
    """The filters after an event; an event that makes no sense changes nothing.

    A range without ends is kept, but of the column `sort`, whose facet is always there.
    """
    field, _, column = event.key.partition(":")
    if field == "ranges" and column:
        new = (column, event.low, event.high)
        open_ended = math.isinf(event.low) and math.isinf(event.high)
        dropped = event.kind == "remove" or (open_ended and column == sort)
        ranges = {one[0]: one for one in filters.ranges} | {column: new}
        return filters.with_(ranges=tuple(one for key, one in ranges.items() if key != column or not dropped))
    if field == "values" and column:
        return _with_values(filters, column, event)
    if event.kind != "value" or type(event.value) is not FIELDS.get(field):
        return filters
    chosen = tuple(value for value in getattr(filters, field) if value != event.value)
    return filters.with_(**{field: (*chosen, event.value) if event.on else chosen})


def _with_values(filters: Filters, column: str, event: FacetEvent) -> Filters:
    """A column stays in use without a chosen value, until it is removed."""
    items = {name: values for name, *values in filters.values}
    if event.kind == "remove":
        items.pop(column, None)
    elif event.kind == "value" and isinstance(event.value, str):
        others = [value for value in items.get(column, []) if value != event.value]
        items[column] = [*others, event.value] if event.on else others
    return filters.with_(values=tuple((name, *values) for name, values in items.items()))
