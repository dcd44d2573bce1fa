"""The Home page of a dataset: counts, distributions, model runs, and messages."""

import pandas as pd
import streamlit as st

from avhcurate.data.runs import RunFolder
from avhcurate.home.plots import NO_LABEL, class_balance, hsf_histogram
from avhcurate.table.dataset_table import DatasetTable, titles
from avhcurate.table.filters import Filters
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import fact, halves
from avhcurate.ui.user_errors import plain
from avhcurate.votes.bins import bin_labels

#: Bars of the HSF histogram; twenty fall on the default edges.
_BARS = 20


def dataset_facts(table: DatasetTable) -> None:
    """Samples, classes, votes and runs in a row."""
    record, votes = table.dataset.record, table.votes
    runs = [run for run in table.dataset.runs() if run.complete]
    with st.container(horizontal=True, gap="medium"):
        skipped = f"{record.skipped:,} skipped at import" if record.skipped else "none skipped"
        fact("Samples", f"{record.samples:,}", skipped)
        fact("Classes", f"{len(record.classes):,}", "" if record.classes_declared else "as seen in the labels")
        if votes is None:
            fact("Human votes", "–", "none attached")
        else:
            each = f"{votes.total / votes.samples:.0f} a sample, {votes.kind}"
            covered = "" if votes.samples == record.samples else f", on {votes.samples:,} samples"
            fact("Simulated votes" if votes.simulated else "Human votes", f"{votes.total:,}", each + covered)
        fact("Model runs", f"{len(runs):,}", plain(runs[-1].record.model) if runs else "not scored yet")


def spread(here: Opened) -> None:
    """HSF and classes of the samples in view."""
    table, filters = here.table, here.filters
    left, right = halves()
    with left:
        st.markdown("**Human selection frequency**" + (" · simulated votes" if table.simulated else ""))
        if table.votes is None:
            st.caption("No votes are attached. Attach a file of votes below to see how often people chose the label.")
        else:
            bars = table.histogram("hsf", filters=filters, bins=_BARS, limits=(0.0, 1.0))
            show_chart(
                hsf_histogram(bars, _bin_counts(here), edges=table.edges, simulated=table.simulated), key="home.hsf"
            )
    with right:
        st.markdown("**Classes**")
        show_chart(class_balance(_class_counts(table, filters)), key="home.classes")


def _bin_counts(here: Opened) -> list[int]:
    counts = here.table.group_counts("hsf_bin", here.filters).set_index("value")["n"]
    return [int(counts.get(label, 0)) for label in bin_labels(here.table.edges)]


def _class_counts(table: DatasetTable, filters: Filters) -> pd.DataFrame:
    """`name, n` of every class in its order, then of samples without a label, if any."""
    counts = table.group_counts("label", filters)
    of_label = counts.dropna().set_index("value")["n"]
    rows = [(name, int(of_label.get(label, 0))) for label, name in enumerate(table.classes)]
    without = int(counts["n"].sum() - of_label.sum())
    return pd.DataFrame([*rows, *([(NO_LABEL, without)] if without else [])], columns=["name", "n"])


def model_runs(table: DatasetTable) -> None:
    """One row per model run, newest first."""
    runs = table.dataset.runs()[::-1]
    if not runs:
        return
    st.markdown("**Model runs**")
    title = titles(table.dataset)
    st.dataframe(
        pd.DataFrame([_run_row(run, title[run.name]) for run in runs]).dropna(axis=1, how="all"),
        hide_index=True,
        key="home.runs",
        column_config={
            "Model": st.column_config.TextColumn(width="medium"),
            "Samples": st.column_config.NumberColumn(format="localized"),
            "Skipped": st.column_config.NumberColumn(
                format="localized", help="Images that could not be read; their scores are empty."
            ),
            "Images/s": st.column_config.NumberColumn(format="%.0f"),
            "As float32": st.column_config.NumberColumn(
                format="%.4f", help="Spearman of AVH with float32 on a sample of the run: 1 is the same order."
            ),
            "Finished": st.column_config.DatetimeColumn(format="distance"),
        },
    )


def _run_row(run: RunFolder, title: str) -> dict[str, object]:
    record = run.record
    agreement = record.rank_agreement
    return {
        "Model": title,
        "State": "complete" if run.complete else "unfinished: score again to resume",
        "Samples": record.samples,
        "Skipped": record.skipped,
        "Device": record.device,
        "Precision": record.precision,
        "As float32": agreement.spearman.get("avh") if agreement else None,
        "Images/s": record.rate,
        "Width": record.width,
        "Weights": record.weights_sha256[:12],
        "Finished": record.finished,
    }


def messages(table: DatasetTable) -> None:
    """Messages of the import and of the votes, and images that could not be read."""
    record = table.dataset.record
    notes = [*record.messages, *(table.votes.messages if table.votes else [])]
    problems = table.group_counts("problem", Filters(excluded=None, where="problem IS NOT NULL"))
    if len(problems):
        broken = int(problems["n"].sum())
        reasons = "; ".join(f"{row['value']} ({row['n']:,})" for row in problems.head(5).to_dict("records"))
        notes.append(
            f"{broken:,} images could not be scored: {reasons}. The SQL condition `problem IS NOT NULL` "
            "under More filters shows them in the gallery."
        )
    if notes:
        with st.expander(f"Notes on the data ({len(notes)})", icon=":material/info:"):
            st.markdown("\n".join(f"- {plain(text)}" for text in notes))
