"""The filters in the sidebar: facets, and a widget for each filter without one."""

import datetime
import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filter_kinds import OneOf
from avhcurate.datasets.table.filters import FILTERS, Filters
from avhcurate.ui import url_state
from avhcurate.ui.facets import panels_of, show_facets
from avhcurate.ui.frame import attempt, mirrored
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import shortened
from avhcurate.ui.url_state import View
from avhcurate.ui.user_errors import plain


def show_filters(table: DatasetTable, view: View, *, unfolded: bool = False) -> None:
    """Draw the facets and widgets, the rarer ones in an expander, which may be `unfolded`."""
    panels = panels_of(table, view)
    folded = [field for field, entry in FILTERS.items() if entry.folded]
    show_facets(table, {key: panel for key, panel in panels.items() if key not in folded})
    for field in FILTERS:
        if field not in folded:
            _show_widget(field, table, view.filters)
    label = "More filters"
    if used := sum(bool(getattr(view.filters, field)) for field in folded):
        label = f"More filters ({used})"
    with st.expander(label, expanded=unfolded):
        rare = {key: panel for key, panel in panels.items() if key in folded}
        show_facets(table, rare, key="facets.more", label="More filters")
        for field in folded:
            _show_widget(field, table, view.filters)
        _edges(table)


def _show_widget(field: str, table: DatasetTable, filters: Filters) -> None:
    """Draw the widget of a filter; a filter by a column has a facet instead."""
    entry = FILTERS[field]
    if field in WIDGETS:
        WIDGETS[field](table, filters)
    elif isinstance(entry, OneOf):
        _choice(field, entry, table, filters)


def _choice(field: str, entry: OneOf, table: DatasetTable, filters: Filters) -> None:
    value = getattr(filters, field)
    if len(entry.choices) == 2:
        if table.run is not None:
            _show(st.toggle, bool, entry.title, field, value)
        return
    names = {name: choice for choice, (_, name, *_) in entry.choices.items()}
    chosen = next(name for name, choice in names.items() if choice is value)
    label = f"{entry.title} ({table.count(Filters().with_(**{field: True})):,})"
    _show(st.segmented_control, names.__getitem__, label, field, chosen, options=list(names), required=True)


def _sets(table: DatasetTable, filters: Filters) -> None:
    if sizes := table.set_sizes:
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


def _condition(_: DatasetTable, filters: Filters) -> None:
    _show(
        st.text_input,
        str,
        FILTERS["where"].title,
        "where",
        filters.where,
        placeholder="relative_avh > 1 AND norm < 12",
        help="Any condition over the columns of the sample table, including your own. A class compared with text "
        "means its name (label = 'dog' AND predicted <> 'dog'), with a number its index from 0 (label = 3).",
    )


def _ranges(table: DatasetTable, filters: Filters) -> None:
    options = [*table.scores, *table.predictions, *table.measures]
    if table.votes:
        options.insert(len(table.scores), "hsf")
    if options:
        st.multiselect(
            FILTERS["ranges"].title,
            options,
            format_func=score_name,
            placeholder="Any",
            key=mirrored("filter.scores", [key for key, _, _ in filters.ranges if key not in table.kinds]),
            on_change=_set_ranges,
            args=(table,),
        )


def _edges(table: DatasetTable) -> None:
    """Ask for the edges of the HSF bins, which the bin filter offers."""
    if table.votes is not None:
        st.text_input(
            "HSF bin edges",
            help="Increasing numbers from 0 to 1, or q5 for five bins with about the same number of the samples in "
            "view. Bins include their lower edge; the last includes both.",
            key=mirrored("filter.edges", ", ".join(f"{edge:g}" for edge in table.edges)),
            on_change=attempt,
            args=(_set_edges, table),
        )


# --- the user's own columns ----------------------------------------------------------------------------------

#: Fields of `Filters` by the kind of a column, and the condition with which each begins.
_FIELDS = {"number": "ranges", "date": "dates", "text": "values", "yes or no": "values"}
_STARTS: dict[str, tuple[Any, ...]] = {"ranges": (-math.inf, math.inf), "dates": ("", ""), "values": ()}


def filterable(table: DatasetTable) -> list[str]:
    """Return the user's columns that can be filtered by, in their order."""
    offered = {*table.own("number", "date"), *table.groups}
    return [name for name in table.user_columns if name in offered]


def _own_columns(table: DatasetTable, filters: Filters) -> None:
    """Ask for the columns to filter by; each gets a facet, or days."""
    used = [item[0] for field in _STARTS for item in getattr(filters, field) if item[0] in table.kinds]
    options = list(dict.fromkeys([*filterable(table), *used]))
    if options:
        st.multiselect(
            "Your columns",
            options,
            format_func=lambda name: shortened(name, 60),
            placeholder="Any",
            key=mirrored("filter.columns", used),
            on_change=_set_columns,
            args=(table,),
            help="Columns of your table: numbers, dates, and texts with few values.",
        )


def _days(table: DatasetTable, filters: Filters) -> None:
    """Ask for the first and the last day of each column of dates in use."""
    for name, *ends in filters.dates:
        held = table.summaries[name]
        if not isinstance(held.low, datetime.date) or not isinstance(held.high, datetime.date):
            st.caption(f"{plain(shortened(name, 60))} has no date")
            continue
        with st.container(horizontal=True, gap="small"):
            for number, day in enumerate(ends):
                end = ("from", "to")[number]
                value = None
                if day:
                    value = min(max(datetime.date.fromisoformat(day), held.low), held.high)
                key = f"filter.date.{end}.{name}"
                st.date_input(
                    f"{plain(shortened(name, 40))} {end}",
                    min_value=held.low,
                    max_value=held.high,
                    format="YYYY-MM-DD",
                    width=140,
                    key=mirrored(key, value),
                    on_change=_set_day,
                    args=(name, number, key),
                )


#: Widgets that a filter has besides those that follow from its entry.
WIDGETS: dict[str, Callable[[DatasetTable, Filters], None]] = {
    "ranges": _ranges,
    "sets": _sets,
    "values": _own_columns,
    "dates": _days,
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


def _set_ranges(table: DatasetTable) -> None:
    ranges = {item[0]: item for item in url_state.current().filters.ranges}
    keys = [*st.session_state["filter.scores"], *(key for key in ranges if key in table.kinds)]
    _change(ranges=tuple(ranges.get(key, (key, -math.inf, math.inf)) for key in keys))


def _set_edges(table: DatasetTable) -> None:
    filters = url_state.current().filters.with_(hsf_bins=())
    url_state.change(edges=table.edges_from(st.session_state["filter.edges"], filters), filters=filters)


def _set_columns(table: DatasetTable) -> None:
    """Add conditions that always hold for the columns now chosen, and remove those of the others."""
    filters, chosen = url_state.current().filters, list(st.session_state["filter.columns"])
    changes = {}
    for field, start in _STARTS.items():
        items = {item[0]: item for item in getattr(filters, field) if item[0] not in table.kinds or item[0] in chosen}
        for name in chosen:
            if _FIELDS[table.kinds[name]] == field:
                items.setdefault(name, (name, *start))
        changes[field] = tuple(items.values())
    _change(**changes)


def _set_day(name: str, number: int, key: str) -> None:
    dates = {item[0]: list(item) for item in url_state.current().filters.dates}
    day: datetime.date | None = st.session_state[key]
    dates[name][1 + number] = ""
    if day:
        dates[name][1 + number] = day.isoformat()
    _change(dates=tuple(map(tuple, dates.values())))


def _change(**changes: Any) -> None:
    url_state.change(filters=url_state.current().filters.with_(**changes))
