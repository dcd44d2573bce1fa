"""The box *Find images like …*: it orders the gallery by the angle to words, which a job adds to a zero-shot run."""

from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.networks.neighbours.settings import NeighboursSettings
from avhcurate.networks.neighbours.words import words_column, words_lacking
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import Opened, attempt, mirrored, way_on
from avhcurate.ui.base.job_forms import of_run, running_job, start
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.open_images import LIKE
from avhcurate.ui.base.page_choices import Choice
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.user_errors import in_page
from avhcurate.workspace.data.runs import WORDS

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
    look: dict[str, Any] = {"help": "Words, as: a red car, -snow. A dash counts against."}
    if running_job():
        look = {"disabled": True, "help": "A job is running. Wait for it or cancel it."}
    look = for_curators("Running jobs", **look) | {"placeholder": _TITLE, "label_visibility": "collapsed", "width": 240}
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
