"""The guide of the Home page: what do you have? For each answer what it gives, its form, and the one next step."""

import re
from typing import Any, NamedTuple

import streamlit as st

from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.sources.uploads import MOST_BYTES, MOST_FILES, TABLES, keep_upload
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.home import ui_forms
from avhcurate.ui.frame import Frame, announce, attempt
from avhcurate.ui.layout import in_a_row
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.signin import for_curators
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import PAGES

#: Files that a browser may send at once, in MB; larger ones are imported by their path.
_LARGEST_MB = 2000
_TABLES = [suffix.removeprefix(".") for suffix in TABLES]
_UPLOADS = (
    f"Kept in the workspace: at most {_LARGEST_MB / 1000:g} GB, a zip of {MOST_FILES:,} files and {MOST_BYTES >> 30} "
    "GiB unpacked. Folders on the server are imported by their path, without a copy."
)


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
    """Ask what the user has, and show what it gives, its form and the next step."""
    labels = {key: have.label for key, have in HAVE.items()}
    shown = CHOICE.show(st.segmented_control, "What do you have?", labels, value=_proposed(page))
    have, table = HAVE[shown], page.table
    st.caption(have.gives)
    if table is None and shown in _FORMS:
        st.info("Import the images first; then this form is here.", icon=":material/arrow_upward:")
        shown = "images"
    if shown == "labels" and table is not None:
        _labels_form(page.workspace, table)
    if shown == "nothing":
        ui_forms.fetch_form()
    elif table is None or shown not in _FORMS:
        _uploader(page.workspace, "Upload a zip of images, or a manifest", "home.import_source", [*_TABLES, "zip"])
        ui_forms.import_form()
    else:
        if shown == "votes":
            _uploader(page.workspace, "Upload a file of votes", "home.votes_file", _TABLES)
        _FORMS[shown](table)
    if table is not None:
        query = page.view.elsewhere
        if have.next_page == "home":
            query = query | {"home.have": "classifier"}
        target = PAGES / f"{have.next_page}.py"
        st.page_link(target, label=have.next_step, icon=":material/arrow_forward:", query_params=query)


def _proposed(page: Frame) -> str:
    """Return what the address names, else the first thing that the dataset lacks."""
    if chosen := CHOICE.asked():
        return chosen
    if page.table is None:
        return "images"
    if page.table.run is not None and page.table.votes is None:
        return "votes"
    return "classifier"


# --- uploads -------------------------------------------------------------------------------------------------


def _uploader(workspace: Workspace, label: str, field: str, kinds: list[str]) -> None:
    """Draw an upload whose place in the workspace goes into the form's text field."""
    st.file_uploader(
        label,
        kinds,
        key=f"{field}.upload",
        max_upload_size=_LARGEST_MB,
        on_change=attempt,
        args=(_keep, workspace, field),
        **for_curators("Giving files to the server", help=_UPLOADS),
    )


def _keep(workspace: Workspace, field: str) -> None:
    file = _sent(field)
    if file is None:
        return
    path, name = keep_upload(workspace, file.name, file), "home.import_name"
    st.session_state[field] = str(path)
    if field == "home.import_source" and not st.session_state.get(name):
        st.session_state[name] = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:40]
    announce(f"{file.name} is in the workspace")


def _sent(field: str) -> Any:
    return st.session_state.get(f"{field}.upload")


def _labels_form(workspace: Workspace, table: DatasetTable) -> None:
    st.markdown("**Corrected labels of this dataset**, or below another dataset with its labels")
    with st.form("home.labels_form", border=False), in_a_row():
        st.file_uploader("CSV, Parquet or COCO JSON", ["csv", "parquet", "json"], key="home.labels.upload", width=420)
        act: dict[str, Any] = {"on_click": attempt, "args": (_relabel, workspace, table)}
        st.form_submit_button("Relabel", type="primary", icon=":material/edit:", **act, **for_curators())


def _relabel(workspace: Workspace, table: DatasetTable) -> None:
    file = _sent("home.labels")
    if file is None:
        raise CurateError("Choose a file of labels first: a CSV or Parquet table, or COCO JSON.")
    announce(str(relabel_from(table, keep_upload(workspace, file.name, file))))
