"""The Home page's table of model runs."""

from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.head_notes import head_note
from avhcurate.datasets.table.titles import learnt_here, titles
from avhcurate.ui.base.notes import run_accuracy
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder


def model_runs(run: RunFolder | None, dataset: DatasetFolder) -> None:
    """Draw one row per model run, newest first, and what to know about its head and its attached outputs."""
    runs = dataset.runs()[::-1]
    if not runs:
        return
    st.markdown("**Model runs**")
    title = titles(dataset)
    learnt = learnt_here(dataset)
    rows = [{"Model": title[run.name], **_run_row(dataset, run, learnt.get(run.name, ""))} for run in runs]
    st.dataframe(
        pd.DataFrame(rows).dropna(axis=1, how="all"),
        hide_index=True,
        key="home.runs",
        column_config={
            "Images": st.column_config.NumberColumn(format="localized"),
            "Accuracy": st.column_config.TextColumn(help="Predicted as labelled, and the 95 % interval (Wilson)."),
            "Skipped": st.column_config.NumberColumn(format="localized", help="Images that could not be read."),
            "Images/s": st.column_config.NumberColumn(format="%.0f"),
            "As float32": st.column_config.NumberColumn(
                format="%.4f", help="Spearman of AVH with float32 on a sample of the run: 1 is the same order."
            ),
            "Finished": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    for each in runs:
        if text := head_note(each.record):
            st.caption(plain(f"{title[each.name]}: {text}"))
    if run is not None and run.record.attached is not None:
        st.caption(plain(_attached(run)))


def _run_row(dataset: DatasetFolder, run: RunFolder, learnt: str) -> dict[str, Any]:
    record = run.record
    verb = "score"
    if record.attached:
        verb = "attach"
    row: dict[str, Any] = {
        "State": f"unfinished: {verb} again to resume",
        "Accuracy": None,
        "Images": record.samples,
        "Skipped": record.skipped,
        "Device": record.device,
        "Precision": record.precision,
        "Images/s": record.rate,
        "Finished": record.finished,
    }
    if run.complete:
        row |= {"State": "complete", "Accuracy": _accuracy(dataset, run, learnt)}
    if record.backend:
        row["Run by"] = " · ".join(filter(None, (record.backend.name, record.backend.why)))
    if record.rank_agreement:
        row["As float32"] = record.rank_agreement.spearman.get("avh")
    return row


def _accuracy(dataset: DatasetFolder, run: RunFolder, learnt: str) -> str | None:
    accuracy = run_accuracy(dataset, run)
    n, value, low, high = accuracy.estimate
    if not n:
        return None
    text = f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
    if accuracy.at_chance:
        text += " · as guessing"
    return " · ".join(filter(None, (text, learnt)))


def _attached(run: RunFolder) -> str:
    """Return where the outputs of an attached run come from, and what it lacks."""
    attached = run.record.attached
    assert attached is not None
    sources = "; ".join(f"{file.role} of {file.source} ({file.sha256[:12]})" for file in attached.files)
    sentences = [f"Run {run.name} was attached, rows by {attached.by}: {sources}."]
    if not run.has_class_weights:
        sentences.append("Without class weights it has no AVH; its prototype scores are angles to class means.")
    if not run.has_features:
        sentences.append("Without embeddings it has no angles, neighbours and map.")
    if attached.predicted == "prototypes":
        sentences.append("Without logits, predicted is the nearest prototype.")
    return " ".join([*sentences, *attached.notes])
