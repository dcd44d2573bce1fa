"""The filters in the sidebar: facets by histogram and by value, and a widget for each filter without one."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.datasets.table.address_values import kind_of
from avhcurate.datasets.table.facets import (
    MOST_VALUES,
    Counts,
    Facet,
    bars_of,
    column_of,
    count_facets,
    ends_of,
    facet_of,
)
from avhcurate.datasets.table.filters import FILTERS, Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.people.bins import bin_labels
from avhcurate.ui.base import cache, url_state
from avhcurate.ui.base.cache import HASH_FUNCS
from avhcurate.ui.base.frame import attempt, mirrored
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.text import shortened
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.chart_style import of_hsf
from avhcurate.ui.components.facets import Bar, FacetEvent, Panel, facet_panels
from avhcurate.ui.grid.grid_actions import filterable
from avhcurate.workspace.data.runs import RunFolder


def show_filters(samples: SampleTable, run: RunFolder | None, view: View, *, unfolded: bool = False) -> None:
    """Draw the facets and widgets, the rarer ones in an expander, which may be `unfolded`."""
    panels = panels_of(samples, view)
    widgets = {field: widget for field, widget in WIDGETS.items() if field != "mistakes" or run is not None}
    folded = [field for field, entry in FILTERS.items() if entry.folded]
    show_facets(samples, {key: panel for key, panel in panels.items() if key not in folded})
    for field, widget in widgets.items():
        if field not in folded:
            widget(samples, view.filters)
    label = "More filters"
    if used := sum(bool(getattr(view.filters, field)) for field in folded):
        label = f"More filters ({used})"
    with st.expander(label, expanded=unfolded):
        rare = {key: panel for key, panel in panels.items() if key in folded}
        show_facets(samples, rare, key="facets.more", label="More filters")
        for field in folded:
            if field in widgets:
                widgets[field](samples, view.filters)
        _edges(samples)


def _mistakes(_: SampleTable, filters: Filters) -> None:
    _show(st.toggle, bool, FILTERS["mistakes"].title, "mistakes", filters.mistakes)


def _locked(samples: SampleTable, filters: Filters) -> None:
    if samples.locked_by or filters.locked:
        _show(st.toggle, bool, FILTERS["locked"].title, "locked", filters.locked)


def _excluded(samples: SampleTable, filters: Filters) -> None:
    names = {"Hide": False, "Show": None, "Only": True}
    shown = next(name for name, choice in names.items() if choice is filters.excluded)
    label = f"Excluded images ({cache.count(samples, Filters(excluded=True)):,})"
    _show(st.segmented_control, names.__getitem__, label, "excluded", shown, options=list(names), required=True)


def _sets(samples: SampleTable, filters: Filters) -> None:
    if sizes := samples.set_sizes:
        _show(
            st.multiselect,
            tuple,
            "Sets",
            "sets",
            list(filters.sets),
            options=list(sizes),
            format_func=lambda name: f"{name} ({sizes[name]:,})",
            placeholder="Any",
        )


def _condition(_: SampleTable, filters: Filters) -> None:
    _show(
        st.text_input,
        str,
        FILTERS["where"].title,
        "where",
        filters.where,
        placeholder="relative_avh > 1 AND label = 'dog'",
        help="Any SQL condition over the columns of the images. A class is named by text, or by its index.",
    )


def _edges(samples: SampleTable) -> None:
    """Ask for the edges of the HSF bins, which the bin filter offers."""
    if samples.votes is not None:
        st.text_input(
            "HSF bin edges",
            help="Increasing numbers from 0 to 1, or q5 for five bins of equally many of the images in view.",
            key=mirrored("filter.edges", ", ".join(f"{edge:g}" for edge in samples.edges)),
            on_change=attempt,
            args=(_set_edges, samples),
        )


# --- columns to filter by ------------------------------------------------------------------------------------

#: Fields of `Filters` by the kind of a user's column, and the condition with which each begins.
_FIELDS = {"number": "ranges", "date": "dates", "text": "values", "yes or no": "values"}
_STARTS: dict[str, tuple[Any, ...]] = {"ranges": (None, None), "dates": (None, None), "values": ()}


def _columns(samples: SampleTable, filters: Filters) -> None:
    """Ask for the columns to filter by, scores and the user's; each gets a facet, or days."""
    used = [item[0] for field in _STARTS for item in getattr(filters, field)]
    offered = [*filterable(samples), *used]
    if offered:
        st.multiselect(
            "Scores and columns",
            list(dict.fromkeys(offered)),
            format_func=lambda name: shortened(score_name(name), 60),
            placeholder="Any",
            key=mirrored("filter.columns", used),
            on_change=_set_columns,
            args=(samples,),
        )


def _days(samples: SampleTable, filters: Filters) -> None:
    """Ask for the first and the last day of each column of dates in use."""
    for name, *ends in filters.dates:
        summary = samples.summaries[name]
        if not isinstance(summary.low, datetime.date) or not isinstance(summary.high, datetime.date):
            st.caption(f"{plain(shortened(name, 60))} has no date")
            continue
        for number, day in enumerate(ends):
            end = ("from", "to")[number]
            key = f"filter.date.{end}.{name}"
            value = None
            if day:
                value = min(max(day, summary.low), summary.high)
            st.date_input(
                f"{plain(shortened(name, 40))} {end}",
                min_value=summary.low,
                max_value=summary.high,
                format="YYYY-MM-DD",
                help=f"There are days from {summary.low} to {summary.high}.",
                key=mirrored(key, value),
                on_change=_set_day,
                args=(name, number, key),
            )


#: Widgets that a filter has besides those that follow from its entry.
WIDGETS: dict[str, Callable[[SampleTable, Filters], None]] = {
    "ranges": _columns,
    "dates": _days,
    "sets": _sets,
    "excluded": _excluded,
    "mistakes": _mistakes,
    "locked": _locked,
    "where": _condition,
}


# --- showing and reading a widget ----------------------------------------------------------------------------


def _show(
    widget: Callable[..., Any], read: Callable[[Any], Any], label: str, field: str, value: Any, **options: Any
) -> None:
    """Draw a widget that shows the filter's value, and set the filter when it changes."""
    widget(label, key=mirrored(f"filter.{field}", value), on_change=_set, args=(field, read), **options)


def _set(field: str, read: Callable[[Any], Any]) -> None:
    _change(**{field: read(st.session_state[f"filter.{field}"])})


def _set_edges(samples: SampleTable) -> None:
    filters = url_state.current().filters.with_(hsf_bins=())
    url_state.change(edges=samples.edges_from(st.session_state["filter.edges"], filters), filters=filters)


def _set_columns(samples: SampleTable) -> None:
    """Add conditions that always hold for the columns now chosen, and remove those of the others."""
    filters = url_state.current().filters
    columns = st.session_state["filter.columns"]
    changes = {}
    for field, start in _STARTS.items():
        before = {item[0]: item for item in getattr(filters, field)}
        names = [name for name in columns if _FIELDS[samples.kinds.get(name, "number")] == field]
        changes[field] = tuple(before.get(name, (name, *start)) for name in names)
    _change(**changes)


def _set_day(name: str, number: int, key: str) -> None:
    """Set one end of the days of a column; the other one is opened where it would leave no day between them."""
    dates = {item[0]: item for item in url_state.current().filters.dates}
    _, *ends = dates[name]
    ends[number] = st.session_state[key]
    first, last = ends
    if first and last and first > last:
        ends[1 - number] = None
    dates[name] = (name, ends[0], ends[1])
    _change(dates=tuple(dates.values()))


def _change(**changes: Any) -> None:
    url_state.change(filters=url_state.current().filters.with_(**changes))


# --- facets ----------------------------------------------------------------------------------------------------------


#: The most values of a facet whose number among all samples is known.
_KNOWN = 20_000
#: Session state, with a dataset's name: the texts to find, by the facet's key.
_FIND = "facets.find.{}"


def panels_of(samples: SampleTable, view: View) -> dict[str, Panel]:
    """Return what to draw, by the facet's key, in the order of the table of filters.

    A facet in which too few values occur is left out.
    """
    facets = _facets(samples, view)
    everything = _count(samples, Filters(excluded=None), tuple(replace(facet, find="") for facet in facets), _KNOWN)
    try:
        matching = _count(samples, view.filters, tuple(facets), MOST_VALUES)
    except CurateError:  # the sidebar reports the condition that does not fit; no sample matches it
        matching = [{}] * len(facets)
    return {
        facet.key: _panel(samples, view, facet, whole, counts)
        for facet, whole, counts in zip(facets, everything, matching, strict=True)
        if len(whole.keys() - {None}) >= FILTERS[facet.field].least or facet.values(view.filters) or facet.find
    }


def show_facets(samples: SampleTable, panels: dict[str, Panel], *, key: str = "facets", label: str = "Filters") -> None:
    """Draw some of the panels, if there are any."""
    if panels:
        facet_panels(list(panels.values()), key=key, label=label, on_event=partial(_react, samples.name))


# --- what there is -------------------------------------------------------------------------------------------


def _facets(samples: SampleTable, view: View) -> list[Facet]:
    columns = {field: [column_of(entry)] for field, entry in FILTERS.items() if entry.column}
    columns["ranges"] = [view.sort, *(name for name, *_ in view.filters.ranges)]  # the sorted score, and other ranges
    columns["values"] = [str(name) for name, *_ in view.filters.values]
    of_columns = {field: [_facet(samples, name) for name in dict.fromkeys(columns.get(field, ()))] for field in FILTERS}
    facets = [facet for field in FILTERS for facet in of_columns[field] if facet and facet.field == field]
    find: dict[str, str] = st.session_state.get(_FIND.format(samples.name), {})
    return [replace(facet, find=find.get(facet.key, "")) for facet in facets]


@st.cache_data(hash_funcs=HASH_FUNCS, max_entries=64, show_spinner=False)
def _facet(samples: SampleTable, name: str) -> Facet | None:
    return facet_of(samples, name)


@st.cache_data(hash_funcs=HASH_FUNCS, max_entries=64, show_spinner=False)
def _ends(samples: SampleTable, columns: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    return ends_of(samples, columns)


@st.cache_data(hash_funcs=HASH_FUNCS, max_entries=256, show_spinner=False)
def _count(samples: SampleTable, filters: Filters, facets: tuple[Facet, ...], most: int) -> list[Counts]:
    return count_facets(samples, filters, facets, limit=most)


# --- what is drawn -------------------------------------------------------------------------------------------


def _panel(samples: SampleTable, view: View, facet: Facet, everything: Counts, matching: Counts) -> Panel:
    """Return what to draw of a facet, with the counts of all samples and of those that match."""
    entry = FILTERS[facet.field]
    selected = facet.values(view.filters)

    def bar(counted: int | str | None, text: str, **ends: Any) -> Bar:
        return Bar(text, everything.get(counted, 0), matching.get(counted, 0), **ends)

    if facet.edges:
        return _range(samples, facet, selected or (None, None), bar, removable=facet.column != view.sort)
    values = _values(facet, everything, matching, selected)
    bars = tuple(bar(value, shortened(entry.name(value, samples), 80), value=value) for value in values)
    if facet.field == "hsf_bins":
        bins = ", ".join(bin_labels(samples.edges))
        help_text = f"Human selection frequency: share of votes for the given label. Bins {bins}."
        return Panel(facet.key, f"{of_hsf(samples.simulated)} bin", "columns", bars, selected, help_text)
    title = entry.title or shortened(facet.column, 60)
    values_there = {*range(len(facet.names)), *everything}
    unlisted = 0
    if len(values_there) > MOST_VALUES:
        unlisted = len(values_there - {*values, None})
    return Panel(facet.key, title, "rows", bars, selected, more=unlisted, find=facet.find, removable=facet.by_column)


def _values(facet: Facet, everything: Counts, matching: Counts, selected: tuple[Any, ...]) -> list[int | str | None]:
    """Return the values to list: all of a few; of many the found ones, or the chosen and the most frequent."""
    if facet.find:
        return list(matching)
    listed: list[Any] = list(range(len(facet.names)))
    if not 0 < len(listed) <= MOST_VALUES:
        frequent = sorted(matching, key=matching.__getitem__, reverse=True)
        ranked = dict.fromkeys([*selected, *frequent, *everything])
        listed = [value for value in ranked if value is not None][: max(MOST_VALUES, len(selected))]
    if None in everything:
        listed.append(None)
    return listed


def _range(
    samples: SampleTable, facet: Facet, selected: tuple[Any, ...], bar: Callable[..., Bar], *, removable: bool
) -> Panel:
    bars = [bar(number, text, low=low, high=high) for number, (text, low, high) in enumerate(bars_of(samples, facet))]
    title = shortened(score_name(facet.column), 60)
    ends = _ends(samples, (facet.column,))[facet.column]
    return Panel(facet.key, title, "range", tuple(bars), selected, ends=ends, removable=removable)


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
    if field in ("ranges", "values"):
        items = {item[0]: item for item in getattr(filters, field)}
        if event.kind == "remove":
            items.pop(column, None)
        elif event.kind == "values":
            items[column] = (column, *event.values)
        elif event.kind == "range":
            items[column] = (column, event.low, event.high)
            if (column, event.low, event.high) == (sort, None, None):
                del items[column]
        value = tuple(items.values())
    elif field in FILTERS and FILTERS[field].column and event.kind == "values":
        value = tuple(event.values)
    else:
        return filters
    try:
        return filters.with_(**{field: kind_of(Filters, field).validate_python(value, strict=True)})
    except ValueError:
        return filters
