"""The widgets of the filters in the sidebar: one entry per filter, by its field of `Filters`."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import NONE, Filters
from avhcurate.ui import url_state
from avhcurate.ui.column_filters import choose_columns, choose_days, show_range
from avhcurate.ui.frame import attempt, mirrored
from avhcurate.ui.score_help import score_name
from avhcurate.votes.bins import bin_labels, edges_of

Widget = Callable[[DatasetTable, Filters], None]

#: Choices for excluded samples, and the filter's values.
_EXCLUDED = {"Hide": False, "Show": None, "Only": True}


def show_filters(table: DatasetTable, filters: Filters, *, unfolded: bool = False) -> None:
    """The widget of each filter that applies to the table, the rarer ones in an expander, which may be `unfolded`."""
    for widget in SHOWN.values():
        widget(table, filters)
    set_below = sum(bool(getattr(filters, field)) for field in FOLDED)
    with st.expander(f"More filters ({set_below})" if set_below else "More filters", expanded=unfolded):
        for widget in FOLDED.values():
            widget(table, filters)
        _edges(table)


def _hsf_bins(table: DatasetTable, filters: Filters) -> None:
    if table.votes is None:
        return
    labels = bin_labels(table.edges)
    _show(
        st.pills,
        tuple,
        "HSF bin (simulated)" if table.simulated else "HSF bin",
        "hsf_bins",
        [index for index in filters.hsf_bins if index != NONE],
        options=range(len(labels)),
        selection_mode="multi",
        format_func=lambda index: labels[index].strip("[])").replace(", ", "–"),
        help=f"Human selection frequency: share of votes for the given label. Bins {', '.join(labels)}.",
    )


def _class(label: str, field: str, table: DatasetTable, filters: Filters) -> None:
    if field == "predicted" and table.run is None:
        return
    options = [*range(len(table.classes)), NONE]
    names = (*table.classes, "no label")
    _multiselect(label, field, filters, options, lambda index: names[index])


def _occurring(label: str, field: str, column: str, least: int, table: DatasetTable, filters: Filters) -> None:
    """A choice among the values that occur; left out where there are fewer than `least`."""
    values = table.group_counts(column, Filters(excluded=None))["value"]
    chosen = getattr(filters, field)
    options = list(dict.fromkeys([*(value if isinstance(value, str) else "" for value in values), *chosen]))
    if len(options) >= least or chosen:
        _multiselect(label, field, filters, options, lambda value: value or "no split")


def _sets(table: DatasetTable, filters: Filters) -> None:
    if table.sets:
        _multiselect("Sets", "sets", filters, table.sets, str)


def _excluded(_: DatasetTable, filters: Filters) -> None:
    chosen = next(name for name, value in _EXCLUDED.items() if value is filters.excluded)
    options: dict[str, Any] = {"options": list(_EXCLUDED), "required": True}
    _show(st.segmented_control, _EXCLUDED.__getitem__, "Excluded samples", "excluded", chosen, **options)


def _mistakes(table: DatasetTable, filters: Filters) -> None:
    if table.run is not None:
        _show(st.toggle, bool, "Only where the model disagrees", "mistakes", filters.mistakes)


def _where(_: DatasetTable, filters: Filters) -> None:
    _show(
        st.text_input,
        str,
        "SQL condition",
        "where",
        filters.where,
        placeholder="avh > 0.1 AND norm < 12",
        help="Any condition over the columns of an export, your own columns among them. A class compared with text is "
        "meant by its name: label = 'dog' AND predicted <> 'dog'.",
    )


def _ranges(table: DatasetTable, filters: Filters) -> None:
    options = [*table.scores, *(["hsf"] if table.votes else []), *table.measures]
    if not options:
        return
    ranges = [item for item in filters.ranges if item[0] not in table.kinds]
    st.multiselect(
        "Score range",
        options,
        format_func=score_name,
        placeholder="Any",
        key=mirrored("filter.scores", [key for key, _, _ in ranges]),
        on_change=_set_ranges,
        args=(table,),
    )
    for key, low, high in ranges:
        whole = table.histogram(key, filters=Filters(excluded=None), bins=1)
        ends = (float(whole["low"][0]), float(whole["high"][0])) if len(whole) else (None, None)
        show_range(key, low, high, *ends, name=score_name(key))


def _edges(table: DatasetTable) -> None:
    """The edges of the HSF bins, which the bin filter offers."""
    if table.votes is not None:
        st.text_input(
            "HSF bin edges",
            help="Rising numbers from 0 to 1, or q5 for five bins of about equally many samples. Bins hold their lower "
            "edge; the last holds both.",
            key=mirrored("filter.edges", ", ".join(f"{edge:g}" for edge in table.edges)),
            on_change=attempt,
            args=(_set_edges, table),
        )


#: The filters that are always in view, in their order, and those under "More filters".
SHOWN: dict[str, Widget] = {
    "hsf_bins": _hsf_bins,
    "classes": partial(_class, "Class", "classes"),
    "splits": partial(_occurring, "Split", "splits", "split", 2),
    "tags": partial(_occurring, "Tags", "tags", "tags", 1),
    "sets": _sets,
    "ranges": _ranges,
    "values": choose_columns,
    "dates": choose_days,
    "excluded": _excluded,
}
FOLDED: dict[str, Widget] = {
    "mistakes": _mistakes,
    "predicted": partial(_class, "Predicted class", "predicted"),
    "where": _where,
}


# --- showing and reading a widget ----------------------------------------------------------------------------


def _multiselect(label: str, field: str, filters: Filters, options: Sequence[Any], text: Callable[[Any], str]) -> None:
    chosen = list(getattr(filters, field))
    _show(st.multiselect, tuple, label, field, chosen, options=options, format_func=text, placeholder="Any")


def _show(
    widget: Callable[..., Any], read: Callable[[Any], Any], label: str, field: str, value: Any, **options: Any
) -> None:
    """Draws a widget that shows the filter's value, and sets the filter when it changes."""
    widget(label, key=mirrored(f"filter.{field}", value), on_change=_set, args=(field, read), **options)


def _set(field: str, read: Callable[[Any], Any]) -> None:
    _change(**{field: read(st.session_state[f"filter.{field}"])})


def _set_ranges(table: DatasetTable) -> None:
    ranges = {item[0]: item for item in url_state.current().filters.ranges}
    keys: Sequence[str] = [*st.session_state["filter.scores"], *(key for key in ranges if key in table.kinds)]
    _change(ranges=tuple(ranges.get(key, (key, -math.inf, math.inf)) for key in keys))


def _set_edges(table: DatasetTable) -> None:
    edges = edges_of(st.session_state["filter.edges"], table.frame(columns=["hsf"])["hsf"].to_numpy(float))
    url_state.change(edges=edges, filters=url_state.current().filters.with_(hsf_bins=()))


def _change(**changes: Any) -> None:
    url_state.change(filters=url_state.current().filters.with_(**changes))
