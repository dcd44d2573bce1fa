"""Controls of a sample grid: order and sizes above it, ways to the gallery, and what to do if nothing matches."""

from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample import by_angle, by_vector
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.networks.models.names import USUAL
from avhcurate.networks.neighbours.settings import NeighboursSettings
from avhcurate.networks.neighbours.words import run_with_words, words_column, words_lacking, words_vector
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import kept, worker
from avhcurate.ui.base.frame import Opened, attempt, mirrored, show_user_error, with_data
from avhcurate.ui.base.job_forms import job_button, job_form, of_run, running_job
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.layout import empty_state, in_a_row
from avhcurate.ui.base.page_choices import LIKE, Choice, more_like
from avhcurate.ui.base.score_help import explain_scores, score_name
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted, shortened
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.grid.grid_bar import say, say_elsewhere, undo_last
from avhcurate.ui.grid.grid_views import GridView, list_view
from avhcurate.workspace.data.runs import WORDS, RunFolder
from avhcurate.workspace.disk.app_files import PAGES, install_command
from avhcurate.workspace.disk.job_record import duration

#: Saved views that the gallery links to.
_MOST_VIEWS = 5
#: Characters of the order in the line of the title.
_LONGEST = 20


def choose_order(page: Opened, menu: Any, *, like: bool = False) -> None:
    """Draw a popover that asks for sort, direction and what stands on the tiles; *Help* explains the score.

    `like`: the address may order by likeness instead.
    """
    view = page.view
    opened = page.opened
    names = {column: _title(column) for column in [*filterable(opened.samples), "id"]}
    like = like and bool(LIKE.asked() or _TYPED.asked())
    shown = view.sort
    if like:
        names = {LIKE.name: "Likeness"} | names
        shown = LIKE.name
    below = {column: _title(column) for column in caption_columns(opened.samples)} | {"": "HSF"}
    if opened.samples.votes is None:
        below[""] = "score only"
    order = {True: "High first", False: "Low first"}
    title = plain(shortened(names.get(shown, shown), _LONGEST))
    if not like:
        title += f", {order[view.descending].lower()}"
    with st.popover(title, icon=":material/sort:", key="gallery.order"):
        _choice(st.selectbox, shown, "sort", "Sort by", names, on_change=_set_sort, args=(opened.samples,))
        _choice(st.segmented_control, view.descending, "descending", "Order", order, required=True, disabled=like)
        _choice(st.selectbox, view.caption, "caption", "On tiles", below)
    with menu:
        explain_scores(dict.fromkeys([view.sort, "hsf"]))


def saved_views(page: Opened) -> None:
    """Draw links to the saved views of the gallery, the first few of many."""
    views = [view for view in Saved(page.workspace, page.decisions.present_name()).views() if view.page == "gallery"]
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


def filterable(samples: SampleTable) -> list[str]:
    """Return the columns that can be filtered by: scores of a run, HSF and votes, measures, and the user's."""
    voted = ["hsf", "votes"] if samples.votes else []
    offered = {*samples.own("number", "date"), *samples.groups}
    own = [name for name in samples.user_columns if name in offered]
    return [*samples.scores, *voted, *samples.predictions, *samples.agreed, *samples.measures, *own]


def caption_columns(samples: SampleTable) -> list[str]:
    """Return the columns that can stand below an image, "" for the usual."""
    voted = ["votes"] if samples.votes else []
    return [
        "",
        *samples.user_columns,
        *samples.scores,
        *voted,
        *samples.predictions,
        *samples.agreed,
        *samples.measures,
        "path",
        "split",
    ]


def hardest_first(samples: SampleTable, column: str) -> bool:
    """Return whether a column's hard samples come first in descending order.

    If no hard end is known, large numbers and late dates come first; texts, truths and positions begin at their first,
    and angles to words at the smallest.
    """
    if column in samples.words:
        return False
    if column in samples.ranked:
        return samples.ranked[column].harder != "low"
    return column not in ("hsf", "id") and samples.kinds.get(column, "number") in ("number", "date")


def _title(column: str) -> str:
    return shortened(score_name(column), 40)


def like_view(page: Opened, within: GridView | None = None) -> GridView | None:
    """Return the samples of the page's filters by the angle to the images in the address; None if there are none.

    `within` has those that count, None for all.
    If that cannot be, for example because the run has no features, it says why.
    """
    if not (like := LIKE.asked()):
        return _like_words(page, within, _TYPED.asked())
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
        return _by_likeness(page, within, *_by_angle(page.samples, page.opened.run, page.filters, like))
    except CurateError as error:
        show_user_error(error)
        return None


def _by_likeness(page: Opened, within: GridView | None, ids: np.ndarray, angles: np.ndarray) -> GridView:
    values = pd.Series(angles, ids)
    filters: Filters | None = page.filters
    if within is not None:
        ids = ids[np.isin(ids, within.ids)]
        filters = None
    return list_view(page, ids, score="angle", values=values, filters=filters)


_by_angle = kept("Comparing images …")(by_angle)


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
            undo_button(page.decisions, key="gallery.undo", type="tertiary")

    empty_state(title, "filter_alt_off", story, ways_out)
    st.stop()


def undo_button(decisions: Decisions, *, key: str, **widget: Any) -> None:
    """Draw the button that undoes the user's last entry."""
    widget = for_curators(**({"help": "Undoes your last tag, relabel or exclusion."} | widget))
    st.button("Undo", icon=":material/undo:", key=key, on_click=attempt, args=(_undo, decisions), **widget)


# --- callbacks -----------------------------------------------------------------------------------------------


def _undo(decisions: Decisions) -> None:
    say(undo_last(decisions))


def _set(field: str, key: str) -> None:
    if field == "descending":
        _like_nothing()
    url_state.change(**{field: st.session_state[key]})


def _set_sort(samples: SampleTable) -> None:
    """Sort by the column chosen, the hardest first."""
    column = st.session_state["gallery.sort"]
    if column == LIKE.name:
        return
    _like_nothing()
    url_state.change(sort=column, descending=hardest_first(samples, column))


def _like_nothing() -> None:
    LIKE.put(())
    _TYPED.put("")


# --- the box of words ------------------------------------------------------------------------------------------------


_TITLE = "Find images like …"
_KEY = "gallery.find"
#: The words that order the gallery as they are typed, and those that a job adds as a column; while a job makes the
#: dataset searchable, its model.
_TYPED: Choice[str] = Choice("gallery.typed", "", str)
_AWAITED: Choice[str] = Choice("gallery.words", "", str)
_SEARCHABLE: Choice[str] = Choice("gallery.searchable", "", str)
#: Networks that embed images and texts; a folder may be typed.
_ENCODERS = [model.removeprefix("clip:") for model in USUAL if model.startswith("clip:")]
#: Seconds that the first of them takes for an image on two quiet cores, and to begin.
_SECONDS = 0.04
_BEGIN_S = 10
#: Seconds without the server's answer after which the encoder of texts is given up.
_PATIENCE_S = 120


def words_box(page: Opened) -> None:
    """Draw the box, or where the run has no encoder of texts what makes the dataset searchable."""
    opened = page.opened
    if _SEARCHABLE.asked() and running_job():
        return
    if words_lacking(opened.run):
        with st.popover(_TITLE, icon=":material/text_fields:", key="gallery.words_lacking"):
            _make_searchable(page)
        return
    shown = _TYPED.asked()
    if not shown and page.view.sort in opened.samples.words:
        shown = page.view.sort.removeprefix(WORDS)
    if _column(st.session_state.get(_KEY, "")) != _column(shown):  # else it would take back what is being typed
        st.session_state[_KEY] = shown
    look: dict[str, Any] = {"placeholder": _TITLE, "label_visibility": "collapsed", "width": 240, "live": "500ms"}
    look["help"] = "Words, as: a red car, -snow. A dash counts against."
    st.text_input(_TITLE, key=_KEY, on_change=attempt, args=(_find, page), **look)


def _make_searchable(page: Opened) -> None:
    """Draw the way to a run whose images are found by words: one that is there, what to install, or the job for it."""
    if other := run_with_words(page.dataset):
        st.markdown(f"The run {plain(other.name)} finds images by words.")
        st.button("Open it", key="gallery.words_run", on_click=url_state.change, kwargs={"run": other.name})
        return
    if not find_spec("transformers"):
        st.markdown("A network of images and words makes the dataset searchable. Install what reads it:")
        st.code(install_command("transformers"), language="bash")
        return
    wait = duration(_BEGIN_S + _SECONDS * page.samples.size)
    st.markdown(
        f"A network of images and words looks at each image once: about {wait} on two cores by the first below. "
        "Then words order the images as you type."
    )
    then = lambda settings: _SEARCHABLE.put(settings.model)  # noqa: E731
    with job_form("gallery.words.", ScoreSettings, make=_scoring, then=then, dataset=page.dataset.name) as form:
        look: dict[str, Any] = {"options": _ENCODERS, "accept_new_options": True, "index": 0, "help": None}
        form.ask("model", widget=st.selectbox, label="Network, or its folder", **look)
        if len(page.dataset.record.classes) < 2:
            form.ask("classes", label="Two or more words for what the images show")
        form.submit("Make it searchable", "image_search")


def _scoring(model: str, **options: Any) -> ScoreSettings:
    """Return the settings of a network that is named, or whose folder is."""
    return ScoreSettings(model=f"clip:{model.removeprefix('clip:')}", **options)


def await_words(page: Opened) -> None:
    """Draw the job that adds words or makes the dataset searchable, and show what it brought once it is done."""
    awaited = _AWAITED.asked()
    if awaited in page.samples.words:
        url_state.change(sort=awaited, descending=False)
        _AWAITED.put("")
        _TYPED.put("")
        st.rerun()
    if _SEARCHABLE.asked() and (run := run_with_words(page.dataset)):
        url_state.change(run=run.name)
        _SEARCHABLE.put("")
        st.rerun()
    if awaited or _SEARCHABLE.asked():
        job_panel()


def _column(text: Any) -> str:
    """Return the column of a text, "" for one that says nothing."""
    try:
        return words_column(NeighboursSettings(dataset="", like_text=text).like_text)
    except CurateError:
        return ""


def _find(page: Opened) -> None:
    """Order by the words of the box: by their column, or where there is none by their vector."""
    text = st.session_state[_KEY].strip()
    _like_nothing()
    if not text:
        url_state.change(sort=url_state.View.sort, descending=True)
        return
    column = words_column(_settings(page, text).like_text)
    if column in page.samples.words:
        url_state.change(sort=column, descending=False)
    else:
        _TYPED.put(column.removeprefix(WORDS))


def _settings(page: Opened, text: Any) -> NeighboursSettings:
    return NeighboursSettings(**of_run(page), like_text=text)


def _like_words(page: Opened, within: GridView | None, text: str) -> GridView | None:
    """Return the samples by the angle to words, with a button that keeps this angle as a score."""
    column = _column(text)
    run = page.opened.run
    if not column or run is None or words_lacking(run):
        return None
    with st.container(key="chips_like"):
        job_button(
            "Keep as a score",
            "add",
            lambda: _settings(page, text),
            then=lambda _: _AWAITED.put(column),
            key="gallery.keep_words",
            type="tertiary",
            help="To filter, sort and export by it.",
        )
    try:
        return _by_likeness(
            page, within, *by_vector(page.samples, page.opened.run, page.filters, _vector(run.root, column))
        )
    except CurateError as error:
        show_user_error(error)
        return None


@st.cache_data(max_entries=100, show_spinner="Reading the words …")
def _vector(root: Path, column: str) -> np.ndarray:
    try:
        return worker("words").submit(words_vector, RunFolder(root), column).result(_PATIENCE_S)
    except (BrokenProcessPool, TimeoutError):
        worker.clear("words")
        raise CurateError("The encoder of texts gave no answer. Type the words again.") from None
