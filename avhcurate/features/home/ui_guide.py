"""The guide of the Home page: what do you have? For each answer what it gives, its form, and the one next step."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.sources.uploads import MOST_BYTES, MOST_FILES, TABLES, keep_upload
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.home import ui, ui_attach
from avhcurate.ui.frame import Frame, announce, attempt
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.signin import for_curators, who
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import PAGES

#: Files that a browser may send at once, in MB; larger ones are imported by their path.
_LARGEST_MB = 2000


@dataclass(frozen=True)
class Have:
    """One thing that a user may have: what it gives them, and where they go next (page, sentence)."""

    label: str
    gives: str
    next_page: str
    next_step: str


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
        "Every score for every image: galleries by AVH, label suspects, pseudo-labels, a map. Without a classifier of "
        "your own, take any network and let its last layer be fitted to your labels.",
        "gallery",
        "Then see the hardest images first",
    ),
    "outputs": Have(
        "+ embeddings or probabilities",
        "The same from outputs that you have computed elsewhere: no network runs here.",
        "gallery",
        "Then see the hardest images first",
    ),
    "votes": Have(
        "+ votes of people",
        "HSF: how each score follows people, and where people and the network disagree.",
        "disagreement",
        "Then see where people and the network disagree",
    ),
    "nothing": Have(
        "Nothing yet",
        "Public datasets with human votes, fetched with their licence and checksums.",
        "gallery",
        "Then look at them",
    ),
}
#: Nothing is chosen before the user does: then the guide proposes.
CHOICE = one_of("home.have", list(HAVE), "")


def guide(page: Frame, *, busy: bool) -> None:
    """Asks what the user has, and shows what it gives, its form and the next step."""
    labels = {key: have.label for key, have in HAVE.items()}
    shown = CHOICE.show(st.segmented_control, "What do you have?", page.view, labels, value=_proposed(page))
    have, table = HAVE[shown], page.table
    st.caption(have.gives)
    if table is None and shown in ("classifier", "outputs", "votes"):
        st.info("Import the images first; then this form is here.", icon=":material/arrow_upward:")
        shown = "images"
    _form(page, shown, busy)
    if table is not None:
        target = PAGES / f"{have.next_page}.py"
        query = page.view.elsewhere | ({"home.have": "classifier"} if have.next_page == "home" else {})
        st.page_link(target, label=have.next_step, icon=":material/arrow_forward:", query_params=query)


def _proposed(page: Frame) -> str:
    """What the address names, else the first thing that the dataset lacks."""
    if chosen := CHOICE.of(page.view):
        return chosen
    if page.table is None:
        return "images"
    return "classifier" if page.table.run is None or page.table.votes is not None else "votes"


def _form(page: Frame, shown: str, busy: bool) -> None:
    root, table = page.workspace.root, page.table
    if shown == "labels" and table is not None:
        st.markdown("**Corrected labels of this dataset**, or below another dataset with its labels")
        _labels_form(page.workspace, table)
    if shown in ("images", "labels"):
        _uploader(page.workspace, "A zip of images, or a manifest", "home.import_source", [*_suffixes(), "zip"])
        ui.import_form(root, busy=busy)
    elif shown == "nothing":
        ui.fetch_form(root, busy=busy)
    elif table is not None and shown == "votes":
        _uploader(page.workspace, "A file of votes", "home.votes_file", _suffixes())
        ui.votes_form(root, table, busy=busy)
    elif table is not None:
        forms: dict[str, Callable[..., None]] = {"classifier": ui.score_form, "outputs": ui_attach.attach_form}
        forms[shown](root, table, busy=busy)


def _suffixes() -> list[str]:
    return [suffix.removeprefix(".") for suffix in TABLES]


# --- uploads -------------------------------------------------------------------------------------------------


def _uploader(workspace: Workspace, label: str, field: str, kinds: list[str]) -> None:
    """An upload whose place in the workspace goes into the form's text field."""
    most = f"at most {_LARGEST_MB / 1000:g} GB, a zip of {MOST_FILES:,} files and {MOST_BYTES >> 30} GiB unpacked"
    st.file_uploader(
        f"Upload: {label.lower()}",
        kinds,
        key=f"{field}.upload",
        max_upload_size=_LARGEST_MB,
        on_change=attempt,
        args=(_keep, workspace, field),
        **for_curators(
            "Giving files to the server",
            help=f"Kept in the workspace, checked as every import: {most}. Folders that are on the server are "
            "imported by their path below, without a copy.",
        ),
    )


def _keep(workspace: Workspace, field: str) -> None:
    file = _sent(field)
    if file is None:
        return
    st.session_state[field] = str(keep_upload(workspace, file.name, file))
    name = "home.import_name"
    if field == "home.import_source" and not st.session_state.get(name):
        st.session_state[name] = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(st.session_state[field]).stem).strip("-.")[:40]
    announce(f"{file.name} is in the workspace")


def _sent(field: str) -> Any:
    return st.session_state.get(f"{field}.upload")


def _labels_form(workspace: Workspace, table: DatasetTable) -> None:
    with st.form("home.labels_form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.file_uploader("CSV, Parquet or COCO JSON", ["csv", "parquet", "json"], key="home.labels.upload", width=420)
        st.form_submit_button(
            "Relabel",
            type="primary",
            icon=":material/edit:",
            on_click=attempt,
            args=(_relabel, workspace, table),
            **for_curators(),
        )


def _relabel(workspace: Workspace, table: DatasetTable) -> None:
    file = _sent("home.labels")
    if file is None:
        raise CurateError("no file of labels is chosen: choose a CSV or Parquet table, or COCO JSON")
    announce(str(relabel_from(table, keep_upload(workspace, file.name, file), who=who())))


def labels_note(table: DatasetTable) -> str:
    """What labels would add to a dataset that has none; "" for one that has some."""
    if len(table.group_counts("label").dropna()):
        return ""
    return (
        "No image of this dataset has a label. AVC, confidence, the norm, the map, image quality and votes work all "
        "the same; labels would add AVH, loss, accuracy and label suspects. Label images in their details, or give a "
        "file of labels below."
    )
