"""The guide of the Home page: what do you have? For each answer what it gives, its form, and the one next step."""

from typing import Any, NamedTuple

import streamlit as st

from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.sources.demo import is_demo
from avhcurate.datasets.sources.uploads import keep_upload
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.home import ui_forms
from avhcurate.ui.base.frame import Frame, announce, attempt, show_error
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import one_of
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import PAGES

HELP = """
Every image is scored by the angle between its embedding and the classifier's weight vectors: the further from those of
its label, the harder (AVH). How often people pick the label says how hard it is for them (HSF). The pages compare the
two, find labels that are likely wrong, and export what you decide.

**Images** alone give near duplicates and odd files; labels, a network and votes add the rest.
"""


class Have(NamedTuple):
    """One thing that a user may have: what it gives them, and where they go next (page, sentence)."""

    label: str
    gives: str
    next_page: str
    next_step: str


_HARDEST = ("gallery", "Then see the hardest images first")
#: In the order in which they build on each other.
HAVE = {
    "images": Have(
        "Images",
        "Near duplicates, odd files and votes of people; with a network, AVC, confidence, the norm and a map.",
        "quality",
        "Then look for near duplicates and odd files",
    ),
    "labels": Have(
        "+ labels",
        "Label files in and out, splits, curated labels; with a network, AVH and label suspects.",
        "home",
        "Then score the images with a classifier",
    ),
    "classifier": Have(
        "+ a classifier",
        "Every score for every image. Without a classifier of your own, take any network and fit its last layer.",
        *_HARDEST,
    ),
    "outputs": Have("+ embeddings or probabilities", "The same from outputs that were computed elsewhere.", *_HARDEST),
    "votes": Have(
        "+ votes of people",
        "HSF: how each score follows people, and where people and the network disagree.",
        "disagreement",
        "Then see where people and the network disagree",
    ),
    "nothing": Have("Nothing yet", "Public datasets with human votes.", "gallery", "Then look at them"),
}
_FORMS = {
    "classifier": ui_forms.score_form,
    "outputs": ui_forms.attach_form,
    "votes": ui_forms.votes_form,
}
#: The default means that the guide proposes.
CHOICE = one_of("home.have", list(HAVE), "")


def guide(page: Frame) -> None:
    """Draw the workspace's job; ask what the user has, and show what it gives, its form and the next step."""
    with st.container(border=True):
        st.header("Your own images", anchor=False)
        job_panel()
        _ask(page)


def _ask(page: Frame) -> None:
    labels = {key: have.label for key, have in HAVE.items()}
    shown = CHOICE.show(st.segmented_control, "What do you have?", labels, value=_proposed(page))
    have = HAVE[shown]
    table = page.table
    st.caption(have.gives)
    if table is None and shown in _FORMS:
        st.info("Import the images first; then this form is here.", icon=":material/arrow_upward:")
        shown = "images"
    if shown == "labels" and table is not None:
        _labels_form(page.workspace, table)
        st.markdown("**Import another dataset**")
    if shown == "nothing":
        ui_forms.fetch_form()
    elif table is None or shown not in _FORMS:
        ui_forms.import_form(page.workspace)
    else:
        _FORMS[shown](page.workspace, table)
    if table is not None:
        query = page.view.elsewhere
        if have.next_page == "home":
            query = query | {"home.have": "classifier"}
        target = PAGES / f"{have.next_page}.py"
        st.page_link(target, label=have.next_step, icon=":material/arrow_forward:", query_params=query)


def _proposed(page: Frame) -> str:
    """Return what the address names, else the first thing that a dataset of the user's lacks."""
    if chosen := CHOICE.asked():
        return chosen
    if page.table is None or is_demo(page.table.dataset):
        return "images"
    if page.table.run is None:
        return "classifier"
    if page.table.votes is None:
        return "votes"
    return "images"


def _labels_form(workspace: Workspace, table: DatasetTable) -> None:
    st.markdown(f"**Correct labels of {plain(table.dataset.name)}**")
    with st.form("home.labels_form", border=False), in_a_row():
        st.file_uploader(
            "CSV, Parquet or JSON of a tool", ["csv", "parquet", "json"], key="home.labels.upload", width=420
        )
        act: dict[str, Any] = {"on_click": attempt, "args": (_relabel, workspace, table), "kwargs": {"at": "labels"}}
        st.form_submit_button("Relabel", type="primary", icon=":material/edit:", **act, **for_curators())
    show_error("labels")


def _relabel(workspace: Workspace, table: DatasetTable) -> None:
    file = ui_forms.sent("home.labels")
    if file is None:
        raise CurateError("Choose a file of labels first: a CSV or Parquet table, or JSON of another tool.")
    announce(str(relabel_from(table, keep_upload(workspace, file.name, file))))
