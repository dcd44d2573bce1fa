"""Controls of a sample grid: order and sizes above it, ways to the gallery, and what to do if nothing matches."""

from typing import Any, NoReturn

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample import by_angle
from avhcurate.errors import CurateError
from avhcurate.networks.neighbours.settings import NeighboursSettings
from avhcurate.networks.neighbours.words import words_column, words_lacking
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import HASH_FUNCS
from avhcurate.ui.base.frame import Opened, attempt, mirrored, show_user_error, way_on, with_data
from avhcurate.ui.base.job_forms import for_jobs, of_run, start
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.layout import empty_state, in_a_row
from avhcurate.ui.base.page_choices import LIKE, Choice, more_like
from avhcurate.ui.base.score_help import explain_scores, score_name
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted, shortened
from avhcurate.ui.base.user_errors import in_page, plain
from avhcurate.ui.grid.grid_bar import say, say_elsewhere, undo_last
from avhcurate.ui.grid.grid_views import GridView, list_view
from avhcurate.workspace.data.runs import WORDS
from avhcurate.workspace.disk.app_files import PAGES

#: Saved views that the gallery links to.
_MOST_VIEWS = 5
#: Characters of the order in the line of the title.
_LONGEST = 20


def choose_order(page: Opened, menu: Any, *, like: bool = False) -> None:
    """Draw a popover that asks for sort, direction and what stands on the tiles; *Help* explains the score.

    `like`: the address may order by likeness instead.
    """
    view = page.view
    table = page.table
    names = {column: _title(column) for column in [*filterable(table), "id"]}
    like = like and bool(LIKE.asked())
    shown = view.sort
    if like:
        names = {LIKE.name: "Likeness"} | names
        shown = LIKE.name
    below = {column: _title(column) for column in caption_columns(table)} | {"": "HSF"}
    if table.votes is None:
        below[""] = "score only"
    order = {True: "High first", False: "Low first"}
    title = plain(shortened(names.get(shown, shown), _LONGEST))
    if not like:
        title += f", {order[view.descending].lower()}"
    with st.popover(title, icon=":material/sort:", key="gallery.order"):
        _choice(st.selectbox, shown, "sort", "Sort by", names, on_change=_set_sort, args=(table,))
        _choice(st.segmented_control, view.descending, "descending", "Order", order, required=True, disabled=like)
        _choice(st.selectbox, view.caption, "caption", "On tiles", below)
    with menu:
        explain_scores(dict.fromkeys([view.sort, "hsf"]))


def saved_views(page: Opened) -> None:
    """Draw links to the saved views of the gallery, the first few of many."""
    views = [view for view in Saved(page.workspace, page.table.present_name()).views() if view.page == "gallery"]
    for view in views[:_MOST_VIEWS]:
        label = plain(shortened(view.name, 24))
        st.page_link(
            PAGES / "gallery.py",
            label=label,
            icon=":material/bookmark:",
            query_params=view.query,
            help=plain(view.name),
            width="content",
        )
    if len(views) > _MOST_VIEWS:
        query = page.view.elsewhere | {"saved.part": "views"}
        st.page_link(PAGES / "saved.py", label=f"All {len(views)} views", query_params=query, width="content")


def _choice(widget: Any, shown: Any, field: str, label: str, names: dict[Any, str], **changes: Any) -> None:
    """Draw a widget that mirrors one field of the view."""
    key = mirrored(f"gallery.{field}", shown)
    look = {"on_change": _set, "args": (field, key)} | changes
    options = list(dict.fromkeys([*names, shown]))
    widget(label, options, key=key, format_func=lambda value: names.get(value, str(value)), **look)


def filterable(table: DatasetTable) -> list[str]:
    """Return the columns that can be filtered by: scores of a run, HSF and votes, measures, and the user's."""
    voted = ["hsf", "votes"] if table.votes else []
    offered = {*table.own("number", "date"), *table.groups}
    own = [name for name in table.user_columns if name in offered]
    return [*table.scores, *voted, *table.predictions, *table.measures, *own]


def caption_columns(table: DatasetTable) -> list[str]:
    """Return the columns that can stand below an image, "" for the usual."""
    voted = ["votes"] if table.votes else []
    return ["", *table.user_columns, *table.scores, *voted, *table.predictions, *table.measures, "path", "split"]


def hardest_first(table: DatasetTable, column: str) -> bool:
    """Return whether a column's hard samples come first in descending order.

    If no hard end is known, large numbers and late dates come first; texts, truths and positions begin at their first,
    and angles to words at the smallest.
    """
    if column in table.words:
        return False
    if column in table.ranked:
        return table.ranked[column].harder != "low"
    return column not in ("hsf", "id") and table.kinds.get(column, "number") in ("number", "date")


def _title(column: str) -> str:
    return shortened(score_name(column), 40)


def like_view(page: Opened, within: GridView | None = None) -> GridView | None:
    """Return the samples of the page's filters by the angle to the images in the address; None if there are none.

    `within` has those that count, None for all.
    If that cannot be, for example because the run has no features, it says why.
    """
    if not (like := LIKE.asked()):
        return None
    with st.container(key="chips_like"):
        st.button(
            f"Like {counted(len(like), 'image')}",
            icon=":material/close:",
            icon_position="right",
            key="chip.like",
            help="Back to the order of a score.",
            on_click=more_like,
            args=((),),
        )
    try:
        ids, angles = _by_angle(page.table, page.filters, like)
    except CurateError as error:
        show_user_error(error)
        return None
    values = pd.Series(angles, ids)
    filters: Filters | None = page.filters
    if within is not None:
        ids = ids[np.isin(ids, within.ids)]
        filters = None
    return list_view(page, ids, score="angle", values=values, filters=filters)


_by_angle = st.cache_data(hash_funcs=HASH_FUNCS, max_entries=8, show_spinner="Comparing images …")(by_angle)


def nothing_matches(
    title: str = "No image matches", story: str = "Remove a filter on the left, or clear them all."
) -> NoReturn:
    """End the page with what to do if the filters leave nothing, or every sample is excluded."""
    say_elsewhere()
    page = with_data()
    label = "Clear all filters"
    filters = Filters()
    if page.filters == filters and not page.count:
        title = "Every image is excluded"
        story = "Undo your last action, or look at the excluded images."
        label = "Show excluded images"
        filters = Filters(excluded=None)

    def ways_out() -> None:
        with in_a_row():
            st.button(label, key="gallery.clear", on_click=url_state.change, kwargs={"filters": filters})
            undo_button(page.table, key="gallery.undo", type="tertiary")

    empty_state(title, "filter_alt_off", story, ways_out)
    st.stop()


def undo_button(table: DatasetTable, *, key: str, **widget: Any) -> None:
    """Draw the button that undoes the user's last entry."""
    widget = for_curators(**({"help": "Undoes your last tag, relabel or exclusion."} | widget))
    st.button("Undo", icon=":material/undo:", key=key, on_click=attempt, args=(_undo, table), **widget)


# --- callbacks -----------------------------------------------------------------------------------------------


def _undo(table: DatasetTable) -> None:
    say(undo_last(table))


def _set(field: str, key: str) -> None:
    if field == "descending":
        LIKE.put(())
    url_state.change(**{field: st.session_state[key]})


def _set_sort(table: DatasetTable) -> None:
    """Sort by the column chosen, the hardest first."""
    column = st.session_state["gallery.sort"]
    if column == LIKE.name:
        return
    LIKE.put(())
    url_state.change(sort=column, descending=hardest_first(table, column))


# --- the box of words ------------------------------------------------------------------------------------------------


_TITLE = "Find images like …"
_KEY = "gallery.find"
#: The column that a job adds, by which the gallery is ordered once it is there.
_AWAITED: Choice[str] = Choice("gallery.words", "", str)


def words_box(page: Opened) -> None:
    """Draw the box, or what would bring it where the run has no encoder of texts."""
    table = page.table
    if lacking := words_lacking(table.run):
        with st.popover(_TITLE, icon=":material/text_fields:", key="gallery.words_lacking"):
            st.markdown(in_page(lacking))
            way_on(page, "Score the images with a network", "classifier")
        return
    shown = ""
    if page.view.sort in table.words:
        shown = page.view.sort.removeprefix(WORDS)
    look = for_jobs(help="Words, as: a red car, -snow. A dash counts against.")
    look |= {"placeholder": _TITLE, "label_visibility": "collapsed", "width": 240}
    st.text_input(_TITLE, key=mirrored(_KEY, shown), on_change=attempt, args=(_find, page), **look)


def await_words(table: DatasetTable) -> None:
    """Draw the job that adds words, and order the gallery by them once it is done."""
    if (awaited := _AWAITED.asked()) in table.words:
        url_state.change(sort=awaited, descending=False)
        _AWAITED.put("")
        st.rerun()
    if awaited:
        job_panel()


def _find(page: Opened) -> None:
    """Order by the words of the box; a job adds them first where the run does not have them."""
    text = st.session_state[_KEY].strip()
    if not text:
        url_state.change(sort=url_state.View().sort, descending=True)
        return
    settings = NeighboursSettings(**of_run(page), like_text=text)
    column = words_column(settings.like_text)
    LIKE.put(())
    if column in page.table.words:
        url_state.change(sort=column, descending=False)
        return
    start(lambda: settings)
    _AWAITED.put(column)
