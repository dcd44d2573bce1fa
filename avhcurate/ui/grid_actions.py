"""Controls of a sample grid: order and sizes above it, actions on the selection below."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import streamlit as st

from avhcurate.curate.annotations import undo
from avhcurate.disk.app_files import PAGES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui import url_state
from avhcurate.ui.column_filters import filterable
from avhcurate.ui.frame import Opened, announce, attempt, mirrored, with_data
from avhcurate.ui.grid_keys import say_elsewhere
from avhcurate.ui.layout import empty_state
from avhcurate.ui.more_like import LIKE
from avhcurate.ui.score_help import explain_scores, score_name
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.text import shortened
from avhcurate.ui.url_state import TILE_SIZES, View

_UNDO = "Undoes your last tag, relabel or exclusion."


def choose_order(page: Opened, *, like: bool = False) -> None:
    """Sort, direction and size of the tiles; `like`: the address may order by likeness instead, and it is said then."""
    view = page.view
    like = like and bool(view.chosen(LIKE.name))
    chosen = LIKE.name if like else view.sort
    options = sort_columns(page.table)
    options = options if chosen in options else [chosen, *options]
    with st.container(horizontal=True, vertical_alignment="center"):
        order_text = {True: "High first", False: "Low first"}.__getitem__
        st.selectbox(
            "Sort by",
            options,
            format_func=lambda key: "Sorted by likeness" if key == LIKE.name else f"Sort by {_title(key)}",
            width=240,
            key=mirrored("gallery.sort", chosen),
            on_change=_set_sort,
            args=(page.table,),
            label_visibility="collapsed",
        )
        _choice(
            st.segmented_control,
            view,
            "descending",
            "Order",
            [True, False],
            format_func=order_text,
            required=True,
            disabled=like,
        )
        _choice(st.segmented_control, view, "tile", "Tile size", list(TILE_SIZES), required=True)
        captions = caption_columns(page.table)
        usual = "HSF below" if page.table.votes else "Nothing more below"
        _choice(
            st.selectbox,
            view,
            "caption",
            "Below each image",
            captions if view.caption in captions else [*captions, view.caption],
            format_func=lambda key: f"{_title(key)} below" if key else usual,
            width=200,
        )
        if view.sort in (*page.table.scores, *page.table.predictions, *page.table.measures, "hsf"):
            explain_scores([view.sort], label=f"About {score_name(view.sort)}", key="gallery.explain")


def _choice(widget: Any, view: View, field: str, label: str, options: Sequence[Any], **more: Any) -> None:
    """A widget that mirrors one field of the view."""
    key = mirrored(f"gallery.{field}", getattr(view, field))
    widget(label, options, key=key, on_change=_set, args=(field, key), label_visibility="collapsed", **more)


def sort_columns(table: DatasetTable) -> list[str]:
    """Columns to sort by: scores when a model was run, HSF when there are votes, measures, the user's, the position."""
    voted = ["hsf", "votes"] if table.votes else []
    return [*table.scores, *voted, *table.predictions, *table.measures, *filterable(table), "id"]


def caption_columns(table: DatasetTable) -> list[str]:
    """Columns that can stand below an image, "" for the usual: the user's, scores, votes, measures, path and split."""
    voted = ["votes"] if table.votes else []
    return ["", *table.user_columns, *table.scores, *voted, *table.predictions, *table.measures, "path", "split"]


def hardest_first(table: DatasetTable, column: str) -> bool:
    """Whether a column's hard samples come first in descending order.

    Where no hard end is known, large numbers and late dates come first; texts, truths and positions begin at their
    first.
    """
    if column in table.ranked:
        return table.ranked[column].harder != "low"
    return column not in ("hsf", "id") and table.kinds.get(column, "number") in ("number", "date")


def _title(column: str) -> str:
    return shortened(score_name(column), 40)


def gallery_link(label: str, view: View, **changes: Any) -> None:
    """A link to the gallery with the view's samples; `changes` are fields of the view."""
    query = replace(view, choices=(), **changes).elsewhere
    st.page_link(PAGES / "gallery.py", label=label, icon=":material/grid_view:", query_params=query, width="content")


def go_to_gallery(filters: Filters) -> NoReturn:
    """Opens the gallery with the samples of these filters."""
    query = replace(url_state.current(), filters=filters, choices=()).elsewhere
    st.switch_page(PAGES / "gallery.py", query_params=query)


def nothing_matches(
    title: str = "No sample matches", story: str = "Take a filter out on the left, or clear them all."
) -> NoReturn:
    """Ends the page with what to do when the filters leave nothing, or every sample is excluded."""
    say_elsewhere()
    page = with_data()
    label, filters = "Clear all filters", Filters()
    if page.filters == filters and not page.count:
        title, story = "Every sample is excluded", "Undo what you did last, or look at what is excluded."
        label, filters = "Show excluded samples", Filters(excluded=None)

    def ways_on() -> None:
        with st.container(horizontal=True):
            st.button(label, key="gallery.clear", on_click=url_state.change, kwargs={"filters": filters})
            undo_button(page.table, key="gallery.undo", type="tertiary")

    empty_state(title, "filter_alt_off", story, ways_on)
    st.stop()


def undo_button(table: DatasetTable, *, key: str, help: str | None = _UNDO, **look: Any) -> None:
    """The button that undoes the user's last entry."""
    look = for_curators(help=help, **look)
    st.button("Undo", icon=":material/undo:", key=key, on_click=attempt, args=(_undo, table), **look)


# --- callbacks -----------------------------------------------------------------------------------------------


def _set(field: str, key: str) -> None:
    if field == "descending":
        LIKE.put(())
    url_state.change(**{field: st.session_state[key]})


def _set_sort(table: DatasetTable) -> None:
    """Sorts by the column chosen, the hardest first."""
    column = st.session_state["gallery.sort"]
    if column == LIKE.name:
        return
    LIKE.put(())
    url_state.change(sort=column, descending=hardest_first(table, column))


def _undo(table: DatasetTable) -> None:
    event = undo(table, who=who())
    if event:
        announce(f"Undid {event.action} on {event.samples:,} samples", "undo")
