"""The forms of the Home page that start a job: score, attach outputs, import, fetch, and attach votes."""

import re
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.datasets.sources.fetch import PUBLIC
from avhcurate.datasets.sources.settings import FetchSettings, ImportSettings
from avhcurate.datasets.sources.uploads import MOST_BYTES, MOST_FILES, TABLES, keep_upload
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.networks.models.names import IMAGENET_CLASSES, is_here, knows_imagenet
from avhcurate.networks.scoring.settings import AttachSettings, ScoreSettings
from avhcurate.people.settings import VotesSettings
from avhcurate.ui.base import job_forms as forms
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.workspace import Workspace, check_name

_TABLES = [suffix.removeprefix(".") for suffix in TABLES]
_UPLOADS = (
    f"Kept in the workspace: a zip of at most {MOST_FILES:,} files and {MOST_BYTES >> 30} GiB unpacked. Folders and "
    "larger files on the server are imported by their path, without a copy."
)
_SOURCE = """
A path on the server: a folder with a sub-folder per class, also below train, val and test; a CSV or Parquet manifest;
or a Parquet file or folder with image bytes. Nothing is written there. Or `list:FILE` (lines of path and class index),
`wds:shard-{000..099}.tar` (here or at an address), `torchvision:NAME`, or `hf:REPO[@REVISION][:CONFIG/SPLIT]`.
"""
_ATTACH = """
Outputs that were computed elsewhere make a run like any other: .npy, .npz, safetensors or Parquet files on the server.
With class weights it has every score; without, those of the softmax output, and angles to class prototypes, which are
not a classifier's AVH.
"""
#: Examples of the arrays that can be attached.
_ARRAYS = {
    "features": "/data/features.npy",
    "probs": "/data/probs.npy",
    "logits": "/data/logits.npy",
    "class_weights": "/data/head.npz:weight",
    "bias": "/data/head.npz:bias",
}


def score_form(_: Workspace, table: DatasetTable) -> None:
    """Choose a model and score the dataset with it: proposed is that of the last run, else one that is on this machine.

    A head is fitted by default where the proposed model tells other classes apart.
    """
    runs = [run.record.model for run in table.dataset.runs()]
    names = forms.models(*runs[-1:], *filter(is_here, forms.MODELS))
    fits = bool(table.classes) and knows_imagenet(names[0]) and len(table.classes) != IMAGENET_CLASSES
    with forms.job_form("home.score_", ScoreSettings, dataset=table.dataset.name) as form:
        with in_a_row():
            form.ask_model(names, width=300)
            form.ask("weights", width=300)
            look: dict[str, Any] = {"options": ["", "fit"], "index": int(fits), "accept_new_options": True}
            form.ask("head", widget=st.selectbox, width=220, **look)
            form.submit("Start scoring", "model_training")
        with st.expander("More"), in_a_row():
            form.ask("device", widget=st.selectbox, options=forms.DEVICES, width=130)
            form.ask("precision", widget=st.selectbox, options=forms.PRECISIONS, width=130)
            form.ask("batch_size", "limit", "folds")
            form.ask("groups", widget=st.selectbox, options=["", *table.user_columns], width=150)
            form.ask("classes_from_model", "prompt", "classes", "resize", "crop", "mean", "std")
            form.ask_where()


def attach_form(_: Workspace, table: DatasetTable) -> None:
    """Choose files and attach them as a run."""
    st.caption(_ATTACH)
    with forms.job_form("home.attach_", AttachSettings, dataset=table.dataset.name) as form:
        with in_a_row():
            for name, example in _ARRAYS.items():
                form.ask(name, placeholder=example, width=300)
            form.submit("Attach outputs", "extension")
        with st.expander("More"), in_a_row():
            form.ask("by", "rows", "name")


def _upload(label: str, field: str, kinds: list[str]) -> None:
    """Ask for a file of a form: Streamlit lets the form wait until the file is there."""
    look = for_curators("Giving files to the server", help=_UPLOADS)
    st.file_uploader(label, kinds, key=f"{field}.upload", **look)


def sent(field: str) -> Any:
    """Return the file that was uploaded for a field, None if none was."""
    return st.session_state.get(f"{field}.upload")


def _import_settings(workspace: Workspace, **values: Any) -> ImportSettings:
    if file := sent("home.import_source"):
        path = keep_upload(workspace, file.name, file)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:40]
        values = {"dataset": name} | values | {"source": str(path)}
    if not values.get("source"):
        raise CurateError("There is nothing to import. Choose a file, or give the path of a folder on the server.")
    if not values.get("dataset"):
        raise CurateError("Give the dataset a name.")
    check_name(values["dataset"])
    return ImportSettings(**values)


def import_form(workspace: Workspace) -> None:
    """Name a source of images and import it as a dataset."""
    with forms.job_form("home.import_", ImportSettings, make=partial(_import_settings, workspace)) as form:
        _upload("Upload a zip of images, or a table", "home.import_source", [*_TABLES, "zip"])
        with in_a_row():
            path = "Or a path on the server"
            form.ask("source", label=path, help=_SOURCE, placeholder="/data/pets, /data/pets.csv or hf:REPO", width=300)
            form.ask("dataset", key="home.import_name", label="Name", placeholder="as the file", width=140)
            form.ask("votes", width=160)
            form.submit("Import", "download")
        with st.expander("More"), in_a_row():
            form.ask("label_column", "image_column", "split_column", "root", "classes", "force")


def _fetch_settings(*, yes: bool, **values: Any) -> FetchSettings:
    if not yes:
        raise CurateError("Read the terms and tick that you agree to them, then fetch the dataset.")
    return FetchSettings(yes=True, **values)


def fetch_form() -> None:
    """Choose a public dataset, read its terms, and fetch it with its human votes."""
    titles = {name: public.title for name, public in PUBLIC.items()}
    name = st.selectbox("Public dataset", PUBLIC, format_func=titles.__getitem__, key="home.public", width=640)
    public = PUBLIC[name]
    size = f"about {public.size / 1e6:,.0f} MB"
    st.caption(plain(f"From {public.home}, {size}. Licence: {public.licence}. To cite: {public.citation}."))
    with forms.job_form("home.fetch_", FetchSettings, make=_fetch_settings, dataset=name) as form:
        with in_a_row():
            form.ask("mirror", placeholder="the official places", width=250)
            if public.needs_images:
                form.ask("images", placeholder="/data/imagenet/val", width=250)
            form.submit("Fetch", "cloud_download")
        with in_a_row():
            form.ask("yes", key=f"home.fetch_agreed.{name}", label="I agree to these terms")
            form.ask("force")


def _votes_settings(workspace: Workspace, **values: Any) -> VotesSettings:
    if file := sent("home.votes_file"):
        values["file"] = keep_upload(workspace, file.name, file)
    if not values.get("file"):
        raise CurateError("There are no votes to attach. Choose a file, or give its path on the server.")
    return VotesSettings(**values)


def votes_form(workspace: Workspace, table: DatasetTable) -> None:
    """Attach a file of votes to the dataset."""
    make = partial(_votes_settings, workspace)
    with forms.job_form("home.votes_", VotesSettings, make=make, dataset=table.dataset.name) as form:
        _upload("Upload a file of votes", "home.votes_file", _TABLES)
        with in_a_row():
            form.ask("file", label="Or a path on the server", placeholder="/data/votes.csv", width=300)
            form.submit("Attach votes", "how_to_vote")
        with in_a_row():
            form.ask("simulated", "force")
