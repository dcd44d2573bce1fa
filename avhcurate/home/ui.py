"""The Home page: counts, distributions, model runs and messages, and the forms that score, import, fetch and attach."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from avhcurate import plugins
from avhcurate.data.background import Command
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import BackendRecord, RunFolder
from avhcurate.data.workspace import check_name
from avhcurate.errors import CurateError
from avhcurate.export import service as export
from avhcurate.home.plots import NO_LABEL, class_balance, hsf_histogram
from avhcurate.home.ui_columns import CLASSES, choose_group, value_counts
from avhcurate.sources.fetch import PUBLIC
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.head_notes import head_note
from avhcurate.table.titles import learnt_here, titles
from avhcurate.ui import job_forms as forms
from avhcurate.ui.charts import show_chart
from avhcurate.ui.charts_by_class import choose_classes
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import fact, halves
from avhcurate.ui.notes import run_accuracy
from avhcurate.ui.user_errors import plain
from avhcurate.votes.bins import bin_labels

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


@dataclass(frozen=True)
class ScoreCommand(forms.PlacedCommand):
    """Options of `avhcurate score`.

    >>> ScoreCommand("pets", "torchvision:resnet50", weights="--force", limit=100).argv
    ['score', 'pets', '--model=torchvision:resnet50', '--weights=--force', '--limit=100']
    >>> ScoreCommand("pets", "clip:models/clip", prompt="a photo of a {}\\na drawing of a {}").argv[3:]
    ['--prompt=a photo of a {}', '--prompt=a drawing of a {}']
    >>> ScoreCommand("pets", "efficientnet-lite0", head="fit", groups="patient").argv[3:]
    ['--head=fit', '--groups=patient']
    >>> ScoreCommand("pets", "efficientnet-lite0", engine="ray").argv[2:]
    ['--engine=ray', '--model=efficientnet-lite0']
    """

    verb = "score"
    dataset: str
    model: str = forms.model_choice("Model", 300)
    weights: str = forms.text(
        "Path of a safetensors file or a weights-only checkpoint on the server; `random` for none.",
        "the model's own",
        300,
    )
    head: str = forms.option(
        st.selectbox,
        label="Last layer",
        options=["", "fit"],
        format_func=lambda name: {"": "The model's own", "fit": "Fit one for these classes"}.get(name, name),
        accept_new_options=True,
        width=220,
        help="Fitted: linear heads on the model's features, each image scored by one that has not seen it; for a model "
        "of other classes. Or type the name of the model's linear layer.",
    )
    folds: int | None = forms.number("For a fitted head.", "5", 100, 2, max_value=50)
    groups: str = forms.option(
        st.selectbox,
        options=[""],
        width=150,
        format_func=lambda name: name or "none",
        help="For a fitted head: images with the same value are never split between fitting and scoring.",
    )
    classes_from_model: bool = forms.tick(
        "Classes from the model", "Take those of the model's classes that are the dataset's, by their names."
    )
    device: str = forms.choice(forms.DEVICES)
    precision: str = forms.choice(
        forms.PRECISIONS, "A reduced precision is faster; the run then records how far its ranking agrees with float32."
    )
    batch_size: int | None = forms.number("Images a forward pass.", "chosen", 150)
    limit: int | None = forms.number("Score only so many samples, spread evenly.", "all", 150)
    prompt: str = forms.lines(
        "For `clip:`. A prompt a line, with {} for the class name; of several the mean is taken.", "a photo of a {}"
    )
    classes: str = forms.text("For `clip:`. Names in order: `cat,dog`, or a file of names.", "the dataset's", 300)

    def __post_init__(self) -> None:
        if not (self.model or "").strip():
            raise CurateError("which model? Choose one or type its name, such as torchvision:resnet50")
        if (self.folds or self.groups) and not self.head.startswith("fit"):
            raise CurateError("folds and groups are of a fitted head: choose to fit one, or leave them empty")


def score_form(root: Path, table: DatasetTable, *, busy: bool) -> None:
    """Choose a model and score the dataset with it."""
    runs = [run.record.model for run in table.dataset.runs()]
    with forms.job_form(root, "home.score_", ScoreCommand, busy=busy, dataset=table.dataset.name) as form:
        with forms.row():
            form.ask("model", options=forms.models(*runs[-1:]))
            form.ask("weights", "head")
            form.submit("Start scoring", "model_training")
        with st.expander("More"), forms.row():
            form.ask("device", "precision", "batch_size", "limit", "folds")
            form.ask("groups", options=["", *table.user_columns])
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


@dataclass(frozen=True)
class ImportCommand(Command):
    """Options of `avhcurate import`.

    >>> ImportCommand("pets", "~/pets", label_column="breed", force=True).argv[2:]
    ['~/pets', '--label-column=breed', '--force']
    """

    verb = "import"
    name: str = forms.text(None, "pets", 160, forms.MISSING)
    source: str = forms.text(_SOURCE, "/data/pets, /data/pets.csv or hf:REPO", 360, forms.MISSING)
    votes: str = forms.text("A file of human votes, or the source's column that holds them.", "none", 160)
    label_column: str = forms.text(usual="found")
    image_column: str = forms.text(usual="found")
    split_column: str = forms.text(usual="found")
    root: str = forms.text("Folder from which the paths of a list or manifest count.", "beside the file")
    classes: str = forms.text("Names in order of their index: `cat,dog`, a file of names, or `visda17`.", "found")
    force: bool = forms.tick(
        "Replace a dataset of that name",
        "Keeps votes and what people decided, by path and class name; drops runs, trainings, measures, predictions.",
    )

    def __post_init__(self) -> None:
        check_name(self.name.strip())
        _check_place(
            self.source,
            "where are the images? Give a folder, a file, list:FILE, wds:PATTERN, torchvision:NAME or hf:REPO",
        )


def import_form(root: Path, *, busy: bool) -> None:
    """Name a source of images and import it as a dataset."""
    with forms.job_form(root, "home.import_", ImportCommand, busy=busy) as form:
        with forms.row():
            form.ask("name", "source", "votes")
            form.submit("Import", "download")
        with st.expander("More"), forms.row():
            form.ask("label_column", "image_column", "split_column", "root", "classes", "force")


@dataclass(frozen=True)
class FetchCommand(Command):
    """Options of `avhcurate fetch`; refused before its terms are agreed to.

    >>> FetchCommand("cifar10h", mirror="/mnt/mirror", yes=True).argv
    ['fetch', 'cifar10h', '--mirror=/mnt/mirror', '--yes']
    """

    verb = "fetch"
    dataset: str
    mirror: str = forms.text(None, "the official places", 250)
    images: str = forms.text(
        "The folder of ImageNet's validation images, which nobody may hand on.", "/data/imagenet/val", 250
    )
    yes: bool = forms.tick("I agree to these terms")
    force: bool = forms.tick("Replace a dataset of that name")

    def __post_init__(self) -> None:
        if not self.yes:
            raise CurateError(f"read the terms of {self.dataset} and tick that you agree to them, then fetch it")


def fetch_form(root: Path, *, busy: bool) -> None:
    """Choose a public dataset, read its terms, and fetch it with its human votes."""
    name = st.selectbox(
        "Public dataset", list(PUBLIC), format_func=lambda name: PUBLIC[name].title, key="home.public", width=640
    )
    public = PUBLIC[name]
    size = f"about {public.size / 1e6:,.0f} MB"
    st.caption(plain(f"From {public.home}, {size}. Licence: {public.licence}. To cite: {public.citation}."))
    with forms.job_form(root, "home.fetch_", FetchCommand, busy=busy, dataset=name) as form:
        with forms.row():
            place = f"A folder on the server or an address that holds {public.files[0].name} and the rest."
            form.ask("mirror", help=place)
            if public.needs_images:
                form.ask("images")
            form.submit("Fetch", "cloud_download")
        with st.container(horizontal=True):
            form.ask("yes", key=f"home.fetch_agreed.{name}")
            form.ask("force")


@dataclass(frozen=True)
class VotesCommand(Command):
    """Options of `avhcurate votes`."""

    verb = "votes"
    dataset: str
    file: str = forms.text(_VOTES, "/data/votes.csv", 360, forms.MISSING)
    simulated: bool = forms.tick("These votes are simulated")
    force: bool = forms.tick("Replace votes of another kind")

    def __post_init__(self) -> None:
        _check_place(self.file, "which file holds the votes? Give a .npy, .csv, .parquet or .json file")


def votes_form(root: Path, table: DatasetTable, *, busy: bool) -> None:
    """Attach a file of votes to the dataset."""
    with forms.job_form(root, "home.votes_", VotesCommand, busy=busy, dataset=table.dataset.name) as form:
        with forms.row():
            form.ask("file")
            form.submit("Attach votes", "how_to_vote")
        with st.container(horizontal=True):
            form.ask("simulated", *(["force"] if table.dataset.record.votes is not None else []))


def _check_place(text: str, question: str) -> None:
    """A path or address as an argument, which must not look like an option."""
    if not text.strip() or text.strip().startswith("-"):
        raise CurateError(question)
