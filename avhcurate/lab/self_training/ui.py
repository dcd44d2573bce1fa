"""The Self-training page, all runs: the form that starts one, their choice, curves over rounds, and a table."""

from collections.abc import Sequence
from html import escape

import pandas as pd
import streamlit as st

from avhcurate.lab.self_training import service
from avhcurate.lab.self_training.plots import curves
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.ui.base import job_forms as forms
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import some_of
from avhcurate.ui.base.score_help import RULE_NAMES
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.chart_style import SERIES
from avhcurate.ui.charts.html_table import estimate, html_table, table_row
from avhcurate.ui.charts.show import show_chart
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder

STORY = (
    "Does a model get better on images without labels? It learns from a source with labels, then round by round from "
    "its own pseudo-labels of this dataset, the target.  \nLabels of the target are only used in reports. Filters on "
    "the left only narrow the gallery."
)
_TRAINERS = {"probe": "A head on frozen features", "full": "The whole network"}
_WHY = """
Choose where the labels come from. In every round the rule selects the images of this dataset whose class-balanced
label it trusts, learns from the source and from those, and labels the dataset again. Afterwards this page shows whether
the model got better and what AVC chose that softmax did not; the labels of any round can be exported. A head on frozen
features takes seconds to minutes. A dataset that the network has not scored yet is scored first.
"""
#: More lines would have the colours of others.
_MOST_RUNS = len(SERIES)
#: Runs that are shown by default.
_NEWEST = 2

#: Columns of the table of runs: the round (0 the source alone, -1 the last) and the quantity of each.
_COLUMNS = {
    "Source only": (0, "accuracy"),
    "Accuracy": (-1, "accuracy"),
    "Source only<small>mean of classes</small>": (0, "mean_accuracy"),
    "Accuracy<small>mean of classes</small>": (-1, "mean_accuracy"),
    "Precision<small>first round</small>": (1, "precision"),
    "Precision<small>last round</small>": (-1, "precision"),
}


# --- the job -----------------------------------------------------------------------------------------------------


def first_start(page: Opened) -> None:
    """Show what the page is for, and the form, before there is a run or while the first one starts."""
    target = page.dataset.name
    title = f"No model has been adapted to {plain(target)} yet"
    source = [*forms.partners(page.workspace, page.dataset), target][0]
    forms.first_job(page, title, "autorenew", "Adapt a network", _WHY, _usual(page, source), start_form)


def await_round(page: Opened) -> None:
    """Run the page again as soon as there is another round to show."""
    forms.await_more(lambda: sum(1 + len(folder.rounds()) for folder in page.dataset.self_trainings()))


def _usual(page: Opened, source: str) -> SelfTrainSettings:
    """Return what the form proposes for a source; the open dataset as its own source gives its training split."""
    where = ""
    if source == page.dataset.name:
        where = "split = 'train'"
    model = _models(page, source)[0]
    return SelfTrainSettings(source=source, target=page.dataset.name, model=model, source_where=where)


def _models(page: Opened, source: str) -> list[str]:
    """Return networks to choose from: what has scored target and source, newest first, then all others."""
    runs = page.dataset.runs()[::-1] + page.workspace.dataset(source).runs()[::-1]
    return forms.models(*(run.record.model for run in runs if run.complete))


def start_form(page: Opened) -> None:
    """Draw source, rule and network of a self-training, and the button that starts the job."""
    target = page.dataset
    others = forms.partners(page.workspace, target)
    titles = {name: name for name in others} | {target.name: f"{target.name} (a part of it)"}
    if not others:
        st.caption(
            "No other dataset here has these classes in this order. This one is split by conditions: one for the "
            "source, the rest is the target."
        )
    with in_a_row():
        source = st.selectbox(
            "Learn from",
            list(titles),
            key="selftrain.start_source",
            width=200,
            format_func=titles.__getitem__,
            help="The source: its curated labels are learnt, excluded images are not.",
        )
        trainer = st.segmented_control(
            "What learns",
            list(_TRAINERS),
            default="probe",
            required=True,
            key="selftrain.start_trainer",
            format_func=_TRAINERS.__getitem__,
            help="The whole network takes a GPU, or hours.",
        )
    fixed = {"target": target.name, "source": source, "trainer": trainer}
    with forms.job_form("selftrain.start_", SelfTrainSettings, **fixed) as fields:
        with in_a_row():
            fields.ask("rule", format_func=RULE_NAMES.__getitem__, width=180)
            fields.ask_model(_models(page, source), width=260)
            fields.ask("portion", "rounds", "seed")
        with in_a_row():
            fields.ask("source_where", value=_usual(page, source).source_where, placeholder="all", width=300)
            fields.ask("target_where", placeholder="all the rest", width=300)
        with st.expander("More"), in_a_row():
            fields.ask("epochs", "learning_rate", "weights", "device")
        fields.submit("Start self-training", "autorenew")


# --- the runs ----------------------------------------------------------------------------------------------------


_rounds = kept(most=32, funcs={SelfTrainingFolder: lambda folder: f"{folder.root} {len(folder.rounds())}"})(
    service.table
)


def current_trainings(page: Opened) -> list[SelfTrainingFolder]:
    """Return self-trainings of the open dataset, newest first, without those of an older import."""
    folders = page.dataset.self_trainings()[::-1]
    fingerprint = page.dataset.record.fingerprint
    current = [folder for folder in folders if folder.record.target_fingerprint == fingerprint]
    if len(current) < len(folders):
        st.caption(
            f"{len(folders) - len(current):,} of {len(folders):,} self-trainings are left out: this dataset has been "
            "imported again since, so their ids name other images."
        )
    return current


def title(folder: SelfTrainingFolder) -> str:
    """Return how a choice, a chart and a table call a run."""
    record = folder.record
    return f"{RULE_NAMES[record.rule]} · from {record.source} · seed {record.seed} · {folder.name[-8:]}"


def choose(folders: Sequence[SelfTrainingFolder]) -> list[SelfTrainingFolder]:
    """Ask which runs are shown, the newest by default."""
    by_name = {folder.name: folder for folder in folders}
    names = some_of("selftrain.runs", list(by_name), list(by_name)[:_NEWEST], most=_MOST_RUNS).show(
        st.multiselect,
        "Runs",
        {name: title(folder) for name, folder in by_name.items()},
        max_selections=_MOST_RUNS,
        placeholder="The newest",
        help=f"Up to {_MOST_RUNS}, to compare. Newest first.",
        width="stretch",
    )
    return [by_name[name] for name in names]


def show_settings(folders: Sequence[SelfTrainingFolder]) -> None:
    """Show the settings of each run, and whether it is complete."""
    st.caption("  \n".join(plain(_settings(folder)) for folder in folders))


def _settings(folder: SelfTrainingFolder) -> str:
    record = folder.record
    start, step, end = (record.schedule[key] for key in ("start", "step", "end"))
    text = (
        f"{title(folder)} · {record.source_samples:,} images {record.source_where} · adapts to "
        f"{record.target_samples:,} images {record.target_where} · {record.model} ({record.trainer}) · portion "
        f"{start:g} to {end:g} by {step:g} · epochs {record.recipe['epochs']}, learning rate "
        f"{record.recipe['learning_rate']:g}"
    )
    if not folder.complete:
        text += " · not complete: starting it again resumes it"
    return text


def rounds_chart(page: Opened, folders: Sequence[SelfTrainingFolder]) -> None:
    """Say what the rounds have reached, and draw them, one line per run."""
    page.result.markdown("  \n".join(reached(title(folder), _rounds(folder)) for folder in folders))
    st.header("Rounds")
    show_chart(curves({title(folder): _rounds(folder) for folder in folders}), key="selftrain.curves")
    st.caption(
        "Round 0 is the source alone. Bands are 95 % intervals over images (shares and mean of classes Wilson, ECE "
        "bootstrap). Labels of the target are only used for these reports."
    )


def reached(name: str, rounds: pd.DataFrame) -> str:
    """Say in a sentence what the rounds of a run have reached.

    >>> reached("AVC", pd.DataFrame({"accuracy": [0.5, 0.625], "precision": [None, 0.75]}))
    '**AVC**: accuracy 50.0 % with the source alone, 62.5 % after round 1, when 75.0 % of its pseudo-labels are right.'
    """
    first = rounds.iloc[0]
    last = rounds.iloc[-1]
    text = f"**{plain(name)}**: accuracy {100 * first['accuracy']:.1f} % with the source alone"
    if pd.notna(last["precision"]):
        text += f", {100 * last['accuracy']:.1f} % after round {len(rounds) - 1}, when {100 * last['precision']:.1f} % "
        text += "of its pseudo-labels are right"
    return f"{text}."


def runs_table(folders: Sequence[SelfTrainingFolder]) -> None:
    """Show the results of each run."""
    st.header("Runs side by side")
    rows = [table_row(escape(title(folder)), _cells(_rounds(folder))) for folder in folders]
    st.html(html_table(["Run", *_COLUMNS], rows))
    st.caption(
        "Accuracy over the target's images with a label, precision over the selected ones. Small: 95 % intervals "
        "over images (Wilson). A difference between two runs also depends on their seeds."
    )


def _cells(rounds: pd.DataFrame) -> list[str]:
    cells = []
    for first, key in _COLUMNS.values():
        row = rounds.iloc[min(first, len(rounds) - 1)]
        cells.append(estimate(row[key], row[f"{key}_low"], row[f"{key}_high"], 1, percent=True))
    return cells
