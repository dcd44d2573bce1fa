"""The forms of the Home page that start a job: score, attach outputs, import, fetch, and attach votes."""

from typing import Any

import streamlit as st

from avhcurate.datasets.sources.fetch import PUBLIC
from avhcurate.datasets.sources.settings import FetchSettings, ImportSettings
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.networks.scoring.settings import AttachSettings, ScoreSettings
from avhcurate.people.settings import VotesSettings
from avhcurate.ui import job_forms as forms
from avhcurate.ui.layout import in_a_row
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.workspace import check_name

_HEADS = {"": "The model's own", "fit": "Fit one for these classes"}
_SOURCE = """
A path on the server: a folder with a sub-folder per class, also below train, val and test; a CSV or Parquet manifest;
or a Parquet file or folder with image bytes. Nothing is written there. Or `list:FILE` (lines of path and class index),
`wds:shard-{000..099}.tar` (here or at an address), `torchvision:NAME`, or `hf:REPO[@REVISION][:CONFIG/SPLIT]`.
"""
_ATTACH = """
Outputs that were computed elsewhere make a run like any other: .npy, .npz, safetensors or Parquet files on the server,
or list columns that the import kept. With class weights it has every score; without, those of the softmax output, and
angles to class prototypes, which are not a classifier's AVH.
"""
#: Examples of the arrays that can be attached.
_ARRAYS = {
    "features": "/data/features.npy",
    "probs": "/data/probs.npy",
    "logits": "/data/logits.npy",
    "class_weights": "/data/head.npz:weight",
    "bias": "/data/head.npz:bias",
}


def score_form(table: DatasetTable) -> None:
    """Choose a model and score the dataset with it."""
    runs = [run.record.model for run in table.dataset.runs()]
    with forms.job_form("home.score_", ScoreSettings, dataset=table.dataset.name) as form:
        with in_a_row():
            form.ask_model(forms.models(*runs[-1:]), width=300)
            form.ask("weights", width=300)
            look: dict[str, Any] = {"format_func": lambda name: _HEADS.get(name, name), "accept_new_options": True}
            form.ask("head", widget=st.selectbox, label="Last layer", options=list(_HEADS), width=220, **look)
            form.submit("Start scoring", "model_training")
        with st.expander("More"), in_a_row():
            form.ask("device", widget=st.selectbox, options=forms.DEVICES, width=130)
            form.ask("precision", widget=st.selectbox, options=forms.PRECISIONS, width=130)
            form.ask("batch_size", "limit", "folds")
            form.ask("groups", widget=st.selectbox, options=["", *table.user_columns], width=150)
            form.ask("classes_from_model", "prompt", "classes")
            form.ask_where()


def attach_form(table: DatasetTable) -> None:
    """Choose files or columns that the import kept, which are chosen already, and attach them as a run."""
    st.caption(_ATTACH)
    kept = {name: column.role for name, column in table.dataset.lists.items()}
    with forms.job_form("home.attach_", AttachSettings, dataset=table.dataset.name) as form:
        with in_a_row():
            for name, example in _ARRAYS.items():
                index = next((place for place, role in enumerate(kept.values()) if role == name), None)
                look: dict[str, Any] = {
                    "index": index,
                    "accept_new_options": True,
                    "placeholder": example,
                    "width": 300,
                }
                form.ask(name, widget=st.selectbox, options=list(kept), **look)
            form.submit("Attach outputs", "extension")
        with st.expander("More"), in_a_row():
            form.ask("by", "rows", "name")


def _import_settings(**values: Any) -> ImportSettings:
    settings = ImportSettings(**values)
    check_name(settings.dataset)
    return settings


def import_form() -> None:
    """Name a source of images and import it as a dataset."""
    with forms.job_form("home.import_", ImportSettings, make=_import_settings) as form:
        with in_a_row():
            form.ask("dataset", key="home.import_name", label="Name", placeholder="pets", width=160)
            form.ask("source", help=_SOURCE, placeholder="/data/pets, /data/pets.csv or hf:REPO", width=360)
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


def votes_form(table: DatasetTable) -> None:
    """Attach a file of votes to the dataset."""
    with forms.job_form("home.votes_", VotesSettings, dataset=table.dataset.name) as form:
        with in_a_row():
            form.ask("file", placeholder="/data/votes.csv", width=360)
            form.submit("Attach votes", "how_to_vote")
        with in_a_row():
            form.ask("simulated", "force")
