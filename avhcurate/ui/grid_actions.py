"""Controls of a sample grid: order and sizes above it, actions on the selection below."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import streamlit as st

from avhcurate.curate.annotations import undo, user
from avhcurate.curate.history import history_entries
from avhcurate.data.annotation_log import ACTIONS
from avhcurate.disk.app_files import PAGES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui import url_state
from avhcurate.ui.column_filters import filterable
from avhcurate.ui.export_menu import export_choice
from avhcurate.ui.frame import Opened, announce, attempt, mirrored
from avhcurate.ui.grid_keys import act, keys_form, say_elsewhere
from avhcurate.ui.layout import empty_state
from avhcurate.ui.more_like import LIKE, more_like
from avhcurate.ui.save_set import save_set_button
from avhcurate.ui.score_help import explain_scores, score_name
from avhcurate.ui.selection import GridSelection, select, selected_now
from avhcurate.ui.signin import who
from avhcurate.ui.text import shortened
from avhcurate.ui.url_state import TILE_SIZES, View
from avhcurate.ui.user_errors import plain

_UNDO = "Undoes your last tag, relabel or exclusion."


def choose_order(page: Opened) -> None:
    """Sort, direction and size of the tiles."""
    view = page.view
    options = sort_columns(page.table)
    options = options if view.sort in options else [view.sort, *options]
    with st.container(horizontal=True, vertical_alignment="center"):
        order_text = {True: "High first", False: "Low first"}.__getitem__
        st.selectbox(
            "Sort by",
            options,
            format_func=lambda key: f"Sort by {_title(key)}",
            width=240,
            key=mirrored("gallery.sort", view.sort),
            on_change=_set_sort,
            args=(page.table,),
            label_visibility="collapsed",
        )
        _choice(st.segmented_control, view, "descending", "Order", [True, False], format_func=order_text, required=True)
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
        if view.sort in (*page.table.scores, *page.table.measures, "hsf"):
            explain_scores([view.sort], label=f"About {score_name(view.sort)}", key="gallery.explain")


def _choice(widget: Any, view: View, field: str, label: str, options: Sequence[Any], **more: Any) -> None:
    """A widget that mirrors one field of the view."""
    key = mirrored(f"gallery.{field}", getattr(view, field))
    widget(label, options, key=key, on_change=_set, args=(field, key), label_visibility="collapsed", **more)


def sort_columns(table: DatasetTable) -> list[str]:
    """Columns to sort by: scores when a model was run, HSF when there are votes, measures, the user's, the position."""
    voted = ["hsf", "votes"] if table.votes else []
    return [*table.scores, *voted, *table.measures, *filterable(table), "id"]


def caption_columns(table: DatasetTable) -> list[str]:
    """Columns that can stand below an image, "" for the usual: the user's, scores, votes, measures, path and split."""
    voted = ["votes"] if table.votes else []
    return ["", *table.user_columns, *table.scores, *voted, *table.measures, "path", "split"]


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


def nothing_matches(
    title: str = "No sample matches", story: str = "Take a filter out on the left, or clear them all."
) -> NoReturn:
    """Ends the page with what to do when the filters leave nothing."""
    say_elsewhere()
    clear: dict[str, Any] = {"on_click": url_state.change, "kwargs": {"filters": Filters()}}
    empty_state(title, "filter_alt_off", story, partial(st.button, "Clear all filters", key="gallery.clear", **clear))
    st.stop()


def action_bar(page: Opened, chosen: GridSelection, *, pinned: bool = True, like: bool = False) -> None:
    """The bar below the grid: actions on the selection, undo and export; `pinned` to the window's bottom.

    `like`: the page can be ordered by likeness to the selection.
    """
    place = st.bottom if pinned else st.container()
    with place, st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        if chosen.count:
            _selection_actions(page, chosen, like=like)
        else:
            _select_everything(chosen)
        _undo_button(page)
        _export_menu(page, chosen)
        keys_form(page.table)


def _select_everything(chosen: GridSelection) -> None:
    count = chosen.view.count
    st.button(
        f"Select all {count:,} that match",
        key="gallery.everything",
        type="tertiary",
        on_click=select,
        args=(((0, count),),),
    )


def _selection_actions(page: Opened, chosen: GridSelection, *, like: bool) -> None:
    table, count = page.table, chosen.count
    st.badge(f"{count:,} selected", color="blue")
    with st.popover("Tag", icon=":material/label:", key="gallery.tag"):
        _tag_form(table)
    with st.popover("Relabel", icon=":material/edit:", key="gallery.relabel"):
        _relabel_form(table)
    st.button("Exclude", icon=":material/block:", key="gallery.exclude", on_click=_exclude, args=(table, "exclude"))
    save_set_button(page, lambda: selected_now().ids, key="gallery.save", label="Set")
    if like and table.run is not None:
        about = "Orders the gallery by the angle to the nearest of the selected images."
        st.button("More like this", icon=":material/image_search:", key="gallery.like", help=about, on_click=_more_like)
    if page.filters.excluded is not False:
        st.button("Include", icon=":material/undo:", key="gallery.include", on_click=_exclude, args=(table, "include"))
    if not chosen.everything:
        _select_everything(chosen)
    st.button("Clear", key="gallery.none", type="tertiary", on_click=select)


def _tag_form(table: DatasetTable) -> None:
    tags = table.group_counts("tags")["value"].tolist()
    st.selectbox(
        "Tag", tags, index=None, accept_new_options=True, placeholder="Choose or type a tag", key="gallery.tag_name"
    )
    with st.container(horizontal=True):
        st.button("Add tag", type="primary", key="gallery.add_tag", on_click=_tag, args=(table, "tag"))
        st.button("Remove tag", key="gallery.remove_tag", on_click=_tag, args=(table, "untag"))


def _relabel_form(table: DatasetTable) -> None:
    names = table.classes
    st.selectbox("New label", range(len(names)), index=None, format_func=names.__getitem__, key="gallery.new_label")
    with st.container(horizontal=True):
        st.button("Relabel", type="primary", key="gallery.set_label", on_click=_relabel, args=(table, False))
        st.button("Restore label", key="gallery.old_label", on_click=_relabel, args=(table, True))


def _undo_button(page: Opened) -> None:
    mine, _ = history_entries(page.table, who=who() or user(), actions=ACTIONS, limit=100)
    last = next((entry for entry in mine if entry.undone_by is None), None)
    what = f"{last.action}{f' {last.value}' if last.value else ''} on {last.samples:,} samples" if last else None
    about = f"Undoes: {plain(what)}" if what else None
    undo_button(page.table, key="gallery.undo", type="tertiary", disabled=last is None, help=about)


def undo_button(table: DatasetTable, *, key: str, help: str | None = _UNDO, **look: Any) -> None:
    """The button that undoes the user's last entry."""
    st.button("Undo", icon=":material/undo:", key=key, help=help, on_click=_undo, args=(table,), **look)


def _export_menu(page: Opened, chosen: GridSelection) -> None:
    count = chosen.count
    with st.popover("Export", icon=":material/download:", key="gallery.export"):
        sources = ["Filtered view", "Selection"] if count else ["Filtered view"]
        source = st.segmented_control(
            "What", sources, default=sources[-1], required=True, key=f"gallery.export_what.{bool(count)}"
        )
        selected = source == "Selection" and not chosen.everything
        number = count if source == "Selection" else page.count
        export_choice(page.table, page.filters, number, only=chosen.ids if selected else None, key="gallery")


# --- callbacks -----------------------------------------------------------------------------------------------


def _set(field: str, key: str) -> None:
    if field == "descending":
        LIKE.put(())
    url_state.change(**{field: st.session_state[key]})


def _more_like() -> None:
    more_like(selected_now().ids)


def _set_sort(table: DatasetTable) -> None:
    """Sorts by the column chosen, the hardest first."""
    column = st.session_state["gallery.sort"]
    LIKE.put(())
    url_state.change(sort=column, descending=hardest_first(table, column))


def _tag(table: DatasetTable, action: str) -> None:
    attempt(act, table, selected_now().chosen, action, st.session_state["gallery.tag_name"] or "")


def _relabel(table: DatasetTable, back: bool) -> None:
    label = None if back else st.session_state["gallery.new_label"]
    if label is None and not back:
        return
    attempt(act, table, selected_now().chosen, "relabel", label)


def _exclude(table: DatasetTable, action: str) -> None:
    attempt(act, table, selected_now().chosen, action)
    select()


def _undo(table: DatasetTable) -> None:
    event = undo(table, who=who())
    if event:
        announce(f"Undid {event.action} on {event.samples:,} samples", "undo")
