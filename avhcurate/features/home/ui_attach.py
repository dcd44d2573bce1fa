"""The form on the Home page that attaches outputs computed elsewhere, and what the page says of a run made so."""

from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.datasets.sources.attached_arrays import AttachSpec
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.ui import job_forms as forms
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.runs import Attached

_ABOUT = """
Embeddings, class weights, logits or probabilities that were computed elsewhere make a run like any other: .npy, .npz,
safetensors or Parquet files on the server, or list columns that the import kept. With class weights it has every
score; without, those of the softmax output, and angles to class prototypes, which are no classifier's AVH.
"""


_EXAMPLES = {
    "features": "/data/features.npy",
    "probs": "/data/probs.npy",
    "logits": "/data/logits.npy",
    "class_weights": "/data/head.npz:weight",
    "bias": "/data/head.npz:bias",
}


def _settings(**values: Any) -> AttachSettings:
    """Return the settings of attaching outputs; refuse arrays that do not make a run."""
    settings = AttachSettings(**values)
    AttachSpec(**{name: getattr(settings, name) for name in _EXAMPLES})
    return settings


def attach_form(root: Path, table: DatasetTable, *, busy: bool) -> None:
    """Files or kept columns, and the button that attaches them; kept columns are chosen already."""
    kept = {name: column.role for name, column in table.dataset.lists.items()}
    st.caption(_ABOUT)
    if kept:
        told = ", ".join(f"{name} ({table.dataset.lists[name].width:,} numbers)" for name in kept)
        st.caption(plain(f"The import kept these columns: {told}."))

    def ask(form: forms.JobForm, name: str) -> None:
        first = next((column for column, role in kept.items() if role == name), None)
        index = None if first is None else list(kept).index(first)
        form.ask(
            name,
            widget=st.selectbox,
            options=list(kept),
            index=index,
            accept_new_options=True,
            placeholder=_EXAMPLES[name],
            width=300,
        )

    about = {"make": _settings, "dataset": table.dataset.name}
    with forms.job_form(root, "home.attach_", AttachSettings, busy=busy, **about) as form:
        with forms.row():
            ask(form, "features")
            ask(form, "probs")
            form.submit("Attach outputs", "extension")
        with forms.row():
            ask(form, "class_weights")
            ask(form, "bias")
            ask(form, "logits")
        with st.expander("More"), forms.row():
            form.ask("by", "rows", "name")


def about_attached(table: DatasetTable) -> None:
    """Where the open run's outputs come from, and what it has and lacks."""
    if table.run is None or (attached := table.run.record.attached) is None:
        return
    sources = "; ".join(
        f"{file.role.replace('_', ' ')} of {file.source} ({file.sha256[:12]})" for file in attached.files
    )
    order = "in the dataset's order" if attached.by == "order" else f"matched by {attached.by}"
    text = f"Run {table.run.name} was attached, rows {order}: {sources}. {' '.join(_lacks(table, attached))}"
    st.caption(plain(text))
    for note in attached.notes:
        st.caption(plain(f"Note: {note}."))


def _lacks(table: DatasetTable, attached: Attached) -> list[str]:
    run, sentences = table.run, []
    assert run is not None
    if not run.has_class_weights:
        sentences.append("Without class weights it has no AVH.")
    if run.has_features and not run.has_class_weights and attached.predicted != "nothing":
        sentences.append("Prototype scores are angles to class means, each sample left out of its own.")
    if not run.has_features:
        sentences.append("Without embeddings it has no angles, neighbours and map.")
    if attached.predicted == "prototypes":
        sentences.append("Without logits, predicted is the nearest prototype.")
    return sentences
