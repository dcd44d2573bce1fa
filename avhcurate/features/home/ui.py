"""The Home page: counts, distributions, model runs and messages, and the forms that score, import, fetch and attach."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate import plugins
from avhcurate.datasets.export import service as export
from avhcurate.datasets.sources.fetch import PUBLIC
from avhcurate.datasets.sources.settings import FetchSettings, ImportSettings
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.head_notes import head_note
from avhcurate.datasets.table.titles import learnt_here, titles
from avhcurate.errors import CurateError
from avhcurate.features.home.plots import NO_LABEL, class_balance, hsf_histogram
from avhcurate.features.home.ui_columns import CLASSES, choose_group, value_counts
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.people.bins import bin_labels
from avhcurate.people.settings import VotesSettings
from avhcurate.ui import job_forms as forms
from avhcurate.ui.charts import show_chart
from avhcurate.ui.charts_by_class import choose_classes
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import fact, halves
from avhcurate.ui.notes import run_accuracy
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import BackendRecord, RunFolder
from avhcurate.workspace.data.workspace import check_name

#: Bars of the HSF histogram; twenty fall on the default edges.
_BARS = 20


def broken_plugins() -> None:
    """Names the plugins that are left out, and why; importing `export` loads the last of them."""
    assert export.FORMATS
    for plugin in plugins.found.values():
        if plugin.problem:
            what = f"{plugin.name} of the plugin {plugin.package} is left out: {plugin.problem}"
            st.warning(plain(what), icon=":material/extension_off:")


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
        newest = plain(titles(table.dataset)[runs[-1].name]) if runs else "not scored yet"
        fact("Model runs", f"{len(runs):,}", newest)


def spread(page: Opened) -> None:
    """HSF and classes of the samples in view."""
    table, filters = page.table, page.filters
    left, right = halves()
    with left:
        st.markdown("**Human selection frequency**" + (" · simulated votes" if table.simulated else ""))
        if table.votes is None:
            st.caption("No votes are attached. Attach a file of votes below to see how often people chose the label.")
        else:
            bars = table.histogram("hsf", filters=filters, bins=_BARS, limits=(0.0, 1.0))
            show_chart(
                hsf_histogram(bars, _bin_counts(page), edges=table.edges, simulated=table.simulated), key="home.hsf"
            )
    with right:
        group = choose_group(page)
        counts = _class_counts(table, filters) if group == CLASSES else value_counts(page, group)
        shown = choose_classes(counts, counts["n"], names="name", what="samples a class", key="home.classes")
        show_chart(class_balance(shown), key="home.classes")


def _bin_counts(page: Opened) -> list[int]:
    counts = page.table.group_counts("hsf_bin", page.filters).set_index("value")["n"]
    return [int(counts.get(label, 0)) for label in bin_labels(page.table.edges)]


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
    title, learnt = titles(table.dataset), learnt_here(table.dataset)
    rows = [_run_row(table.dataset, run, title[run.name], learnt=learnt.get(run.name, "")) for run in runs]
    st.dataframe(
        pd.DataFrame(rows).dropna(axis=1, how="all"),
        hide_index=True,
        key="home.runs",
        column_config={
            "Model": st.column_config.TextColumn(width="medium"),
            "Samples": st.column_config.NumberColumn(format="localized"),
            "Accuracy": st.column_config.TextColumn(
                help="Share of samples with a label that are predicted as labelled, and its 95 % interval (Wilson)."
            ),
            "Skipped": st.column_config.NumberColumn(
                format="localized", help="Images that could not be read; their scores are empty."
            ),
            "Run by": st.column_config.TextColumn(
                width="medium",
                help="What ran the network: torch as it is, torch packed (convolutions with packed weights), "
                "onnxruntime or a CUDA graph, and what a trial at the start measured.",
            ),
            "Images/s": st.column_config.NumberColumn(format="%.0f"),
            "As float32": st.column_config.NumberColumn(
                format="%.4f", help="Spearman of AVH with float32 on a sample of the run: 1 is the same order."
            ),
            "Right": st.column_config.NumberColumn(
                format="percent", help="Labels that the fitted heads predict, each by a head that has not seen it."
            ),
            "Folds agree": st.column_config.NumberColumn(
                format="%.3f", help="Spearman of AVH by two folds' heads: 1 is the same order."
            ),
            "Finished": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    for run in runs:
        if text := head_note(run.record):
            st.caption(plain(f"{title[run.name]}: {text}"))


def _run_row(dataset: DatasetFolder, run: RunFolder, title: str, *, learnt: str) -> dict[str, object]:
    record = run.record
    agreement = record.rank_agreement
    return {
        "Model": title,
        "State": "complete" if run.complete else "unfinished: score again to resume",
        "Accuracy": _accuracy(dataset, run, learnt=learnt) if run.complete else None,
        "Samples": record.samples,
        "Skipped": record.skipped,
        "Device": record.device,
        "Precision": record.precision,
        "Run by": _backend(record.backend) if record.backend else None,
        "As float32": agreement.spearman.get("avh") if agreement else None,
        "Images/s": record.rate,
        "Right": record.fitted.accuracy if record.fitted else None,
        "Folds agree": record.fitted.agreement if record.fitted else None,
        "Width": record.width,
        "Weights": record.weights_sha256[:12],
        "Finished": record.finished,
    }


def _backend(backend: BackendRecord) -> str:
    """Return what ran the network, and the reason for running it as it is.

    >>> _backend(BackendRecord(name="torch", why="few images"))
    'torch · few images'
    """
    return " · ".join(filter(None, [backend.name, backend.why]))


def _accuracy(dataset: DatasetFolder, run: RunFolder, *, learnt: str) -> str | None:
    accuracy = run_accuracy(dataset, run)
    n, value, low, high = accuracy.estimate
    remarks = [*(["as guessing"] if accuracy.at_chance else []), *filter(None, [learnt])]
    return " · ".join([f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f})", *remarks]) if n else None


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


# --- forms ---------------------------------------------------------------------------------------------------


_HEADS = {"": "The model's own", "fit": "Fit one for these classes"}


def score_form(root: Path, table: DatasetTable, *, busy: bool) -> None:
    """Choose a model and score the dataset with it."""
    runs = [run.record.model for run in table.dataset.runs()]
    with forms.job_form(root, "home.score_", ScoreSettings, busy=busy, dataset=table.dataset.name) as form:
        with forms.row():
            form.ask_model(forms.models(*runs[-1:]), width=300)
            form.ask("weights", width=300)
            form.ask(
                "head",
                widget=st.selectbox,
                label="Last layer",
                options=list(_HEADS),
                format_func=lambda name: _HEADS.get(name, name),
                accept_new_options=True,
                width=220,
            )
            form.submit("Start scoring", "model_training")
        with st.expander("More"), forms.row():
            form.ask("device", widget=st.selectbox, options=forms.DEVICES, width=130)
            form.ask("precision", widget=st.selectbox, options=forms.PRECISIONS, width=130)
            form.ask("batch_size", "limit", "folds")
            form.ask("groups", widget=st.selectbox, options=["", *table.user_columns], width=150)
            form.ask("classes_from_model", "prompt", "classes")
            form.ask_where()


_SOURCE = """
A path on the server: a folder with a sub-folder per class, also below train, val and test; a CSV or Parquet manifest;
or a Parquet file or folder with image bytes. Nothing is written there. Or `list:FILE` (lines of path and class index),
`wds:shard-{000..099}.tar` (here or at an address), `torchvision:NAME`, or `hf:REPO[@REVISION][:CONFIG/SPLIT]`.
"""
_VOTES = """
A path on the server: counts (N, K) as .npy or a list column, a long CSV or Parquet (sample, annotator, label or class +
selected), or Label Studio JSON.
"""


def _import_settings(dataset: str = "", source: str = "", **values: Any) -> ImportSettings:
    """Return the settings of an import; refuse a name or place that no job should start with."""
    check_name(dataset)
    _check_place(source, "Where are the images? Give a folder, a file, list:FILE, wds:PATTERN or hf:REPO.")
    return ImportSettings(dataset=dataset, source=source, **values)


def import_form(root: Path, *, busy: bool) -> None:
    """Name a source of images and import it as a dataset."""
    with forms.job_form(root, "home.import_", ImportSettings, busy=busy, make=_import_settings) as form:
        with forms.row():
            form.ask("dataset", key="home.import_name", label="Name", placeholder="pets", width=160)
            form.ask("source", help=_SOURCE, placeholder="/data/pets, /data/pets.csv or hf:REPO", width=360)
            form.ask("votes", width=160)
            form.submit("Import", "download")
        with st.expander("More"), forms.row():
            form.ask("label_column", "image_column", "split_column", "root", "classes", "force")


def _fetch_settings(*, yes: bool, **values: Any) -> FetchSettings:
    """Return the settings of a fetch; refuse one whose terms are not agreed to."""
    if not yes:
        raise CurateError("Read the terms and tick that you agree to them, then fetch the dataset.")
    return FetchSettings(yes=True, **values)


def fetch_form(root: Path, *, busy: bool) -> None:
    """Choose a public dataset, read its terms, and fetch it with its human votes."""
    name = st.selectbox(
        "Public dataset", list(PUBLIC), format_func=lambda name: PUBLIC[name].title, key="home.public", width=640
    )
    public = PUBLIC[name]
    size = f"about {public.size / 1e6:,.0f} MB"
    st.caption(plain(f"From {public.home}, {size}. Licence: {public.licence}. To cite: {public.citation}."))
    with forms.job_form(root, "home.fetch_", FetchSettings, busy=busy, make=_fetch_settings, dataset=name) as form:
        with forms.row():
            place = f"A folder on the server or an address that holds {public.files[0].name} and the rest."
            form.ask("mirror", help=place, placeholder="the official places", width=250)
            if public.needs_images:
                form.ask("images", placeholder="/data/imagenet/val", width=250)
            form.submit("Fetch", "cloud_download")
        with st.container(horizontal=True):
            form.ask("yes", key=f"home.fetch_agreed.{name}", label="I agree to these terms")
            form.ask("force")


def _votes_settings(file: str = "", **values: Any) -> VotesSettings:
    """Return the settings of attaching votes; refuse a place that no job should start with."""
    _check_place(file, "Which file holds the votes? Give a .npy, .csv, .parquet or .json file.")
    return VotesSettings(file=Path(file), **values)


def votes_form(root: Path, table: DatasetTable, *, busy: bool) -> None:
    """Attach a file of votes to the dataset."""
    name = table.dataset.name
    with forms.job_form(root, "home.votes_", VotesSettings, busy=busy, make=_votes_settings, dataset=name) as form:
        with forms.row():
            form.ask("file", help=_VOTES, placeholder="/data/votes.csv", width=360)
            form.submit("Attach votes", "how_to_vote")
        with st.container(horizontal=True):
            form.ask("simulated", label="These votes are simulated")
            if table.dataset.record.votes is not None:
                form.ask("force", label="Replace votes of another kind")


def _check_place(text: str, question: str) -> None:
    """Refuse a path or address that is empty or looks like an option."""
    if not text or text.startswith("-"):
        raise CurateError(question)
