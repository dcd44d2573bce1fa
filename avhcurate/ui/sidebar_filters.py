"""The filters in the sidebar: facets, and a widget for each filter that has none, by its field of `Filters`."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui import url_state
from avhcurate.ui.column_filters import choose_columns, choose_days
from avhcurate.ui.facets import panels_of, show_facets
from avhcurate.ui.frame import attempt, mirrored
from avhcurate.ui.score_help import score_name
from avhcurate.ui.url_state import View

Widget = Callable[[DatasetTable, Filters], None]

#: Choices for excluded samples, and the filter's values.
_EXCLUDED = {"Hide": False, "Show": None, "Only": True}


def show_filters(table: DatasetTable, view: View, *, unfolded: bool = False) -> None:
    """The facets, and a widget for each filter without one, the rarer ones in an expander, which may be `unfolded`."""
    panels, filters = panels_of(table, view), view.filters
    rare = {key: panels.pop(key) for key in FOLDED_FACETS if key in panels}
    show_facets(table, panels)
    for widget in SHOWN.values():
        widget(table, filters)
    set_below = sum(bool(getattr(filters, field)) for field in (*FOLDED, *FOLDED_FACETS))
    with st.expander(f"More filters ({set_below})" if set_below else "More filters", expanded=unfolded):
        show_facets(table, rare, key="facets.more", label="More filters")
        for widget in FOLDED.values():
            widget(table, filters)
        _edges(table)


def _sets(table: DatasetTable, filters: Filters) -> None:
    if sizes := table.set_sizes:
        _multiselect("Sets", "sets", filters, list(sizes), lambda name: f"{name} ({sizes[name]:,})")


def _excluded(table: DatasetTable, filters: Filters) -> None:
    count = table.count(Filters(excluded=True))
    chosen = next(name for name, value in _EXCLUDED.items() if value is filters.excluded)
    options: dict[str, Any] = {"options": list(_EXCLUDED), "required": True}
    _show(st.segmented_control, _EXCLUDED.__getitem__, f"Excluded samples ({count:,})", "excluded", chosen, **options)


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
        placeholder="relative_avh > 1 AND norm < 12",
        help="Any condition over the columns of the sample table, your own among them. A class compared with text is "
        "meant by its name, label = 'dog' AND predicted <> 'dog', and with a number by its index from 0: label = 3.",
    )


def _ranges(table: DatasetTable, filters: Filters) -> None:
    options = [*table.scores, *(["hsf"] if table.votes else []), *table.predictions, *table.measures]
    if not options:
        return
    st.multiselect(
        "Score range",
        options,
        format_func=score_name,
        placeholder="Any",
        key=mirrored("filter.scores", [key for key, _, _ in filters.ranges if key not in table.kinds]),
        on_change=_set_ranges,
        args=(table,),
    )


def _edges(table: DatasetTable) -> None:
    """The edges of the HSF bins, which the bin filter offers."""
    if table.votes is not None:
        st.text_input(
            "HSF bin edges",
            help="Rising numbers from 0 to 1, or q5 for five bins of about equally many of the samples in view. "
            "Bins hold their lower edge; the last holds both.",
            key=mirrored("filter.edges", ", ".join(f"{edge:g}" for edge in table.edges)),
            on_change=attempt,
            args=(_set_edges, table),
        )


#: The filters that are in view below the facets, in their order, and those under "More filters".
SHOWN: dict[str, Widget] = {
    "sets": _sets,
    "ranges": _ranges,
    "values": choose_columns,
    "dates": choose_days,
    "excluded": _excluded,
}
FOLDED: dict[str, Widget] = {"mistakes": _mistakes, "where": _where}
FOLDED_FACETS = ("predicted",)


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
    filters = url_state.current().filters.with_(hsf_bins=())
    url_state.change(edges=table.edges_from(st.session_state["filter.edges"], filters), filters=filters)


def _change(**changes: Any) -> None:
    url_state.change(filters=url_state.current().filters.with_(**changes))
