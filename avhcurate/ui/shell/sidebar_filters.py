"""The filters in the sidebar: facets, and a widget for each filter without one."""

import datetime
from collections.abc import Callable
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import FILTERS, Filters
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import attempt, mirrored
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.text import shortened
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.grid.grid_actions import filterable
from avhcurate.ui.shell.facets import panels_of, show_facets


def show_filters(table: DatasetTable, view: View, *, unfolded: bool = False) -> None:
    """Draw the facets and widgets, the rarer ones in an expander, which may be `unfolded`."""
    panels = panels_of(table, view)
    folded = [field for field, entry in FILTERS.items() if entry.folded]
    show_facets(table, {key: panel for key, panel in panels.items() if key not in folded})
    for field, widget in WIDGETS.items():
        if field not in folded:
            widget(table, view.filters)
    label = "More filters"
    if used := sum(bool(getattr(view.filters, field)) for field in folded):
        label = f"More filters ({used})"
    with st.expander(label, expanded=unfolded):
        rare = {key: panel for key, panel in panels.items() if key in folded}
        show_facets(table, rare, key="facets.more", label="More filters")
        for field in folded:
            if field in WIDGETS:
                WIDGETS[field](table, view.filters)
        _edges(table)


def _mistakes(table: DatasetTable, filters: Filters) -> None:
    if table.run is not None:
        _show(st.toggle, bool, FILTERS["mistakes"].title, "mistakes", filters.mistakes)


def _excluded(table: DatasetTable, filters: Filters) -> None:
    names = {"Hide": False, "Show": None, "Only": True}
    chosen = next(name for name, choice in names.items() if choice is filters.excluded)
    label = f"Excluded images ({table.count(Filters(excluded=True)):,})"
    _show(st.segmented_control, names.__getitem__, label, "excluded", chosen, options=list(names), required=True)


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
        placeholder="relative_avh > 1 AND label = 'dog'",
        help="Any SQL condition over the columns of the images. A class is named by text, or by its index.",
    )


def _edges(table: DatasetTable) -> None:
    """Ask for the edges of the HSF bins, which the bin filter offers."""
    if table.votes is not None:
        st.text_input(
            "HSF bin edges",
            help="Increasing numbers from 0 to 1, or q5 for five bins of equally many of the images in view.",
            key=mirrored("filter.edges", ", ".join(f"{edge:g}" for edge in table.edges)),
            on_change=attempt,
            args=(_set_edges, table),
        )


# --- columns to filter by ------------------------------------------------------------------------------------

#: Fields of `Filters` by the kind of a user's column, and the condition with which each begins.
_FIELDS = {"number": "ranges", "date": "dates", "text": "values", "yes or no": "values"}
_STARTS: dict[str, tuple[Any, ...]] = {"ranges": (None, None), "dates": (None, None), "values": ()}


def _columns(table: DatasetTable, filters: Filters) -> None:
    """Ask for the columns to filter by, scores and the user's; each gets a facet, or days."""
    used = [item[0] for field in _STARTS for item in getattr(filters, field)]
    offered = [*filterable(table), *used]
    if offered:
        st.multiselect(
            "Scores and columns",
            list(dict.fromkeys(offered)),
            format_func=lambda name: shortened(score_name(name), 60),
            placeholder="Any",
            key=mirrored("filter.columns", used),
            on_change=_set_columns,
            args=(table,),
        )


def _days(table: DatasetTable, filters: Filters) -> None:
    """Ask for the first and the last day of each column of dates in use."""
    for name, *ends in filters.dates:
        summary = table.summaries[name]
        if not isinstance(summary.low, datetime.date) or not isinstance(summary.high, datetime.date):
            st.caption(f"{plain(shortened(name, 60))} has no date")
            continue
        with in_a_row("top", gap="small"):
            for number, day in enumerate(ends):
                end = ("from", "to")[number]
                value = None
                key = f"filter.date.{end}.{name}"
                if day:
                    value = min(max(day, summary.low), summary.high)
                st.date_input(
                    f"{plain(shortened(name, 40))} {end}",
                    min_value=summary.low,
                    max_value=summary.high,
                    format="YYYY-MM-DD",
                    width=140,
                    key=mirrored(key, value),
                    on_change=_set_day,
                    args=(name, number, key),
                )


#: Widgets that a filter has besides those that follow from its entry.
WIDGETS: dict[str, Callable[[DatasetTable, Filters], None]] = {
    "ranges": _columns,
    "sets": _sets,
    "dates": _days,
    "excluded": _excluded,
    "mistakes": _mistakes,
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


def _set_edges(table: DatasetTable) -> None:
    filters = url_state.current().filters.with_(hsf_bins=())
    url_state.change(edges=table.edges_from(st.session_state["filter.edges"], filters), filters=filters)


def _set_columns(table: DatasetTable) -> None:
    """Add conditions that always hold for the columns now chosen, and remove those of the others."""
    filters = url_state.current().filters
    chosen = st.session_state["filter.columns"]
    changes = {}
    for field, start in _STARTS.items():
        before = {item[0]: item for item in getattr(filters, field)}
        names = [name for name in chosen if _FIELDS[table.kinds.get(name, "number")] == field]
        changes[field] = tuple(before.get(name, (name, *start)) for name in names)
    _change(**changes)


def _set_day(name: str, number: int, key: str) -> None:
    dates = {item[0]: list(item) for item in url_state.current().filters.dates}
    dates[name][1 + number] = st.session_state[key]
    _change(dates=tuple(map(tuple, dates.values())))


def _change(**changes: Any) -> None:
    url_state.change(filters=url_state.current().filters.with_(**changes))
