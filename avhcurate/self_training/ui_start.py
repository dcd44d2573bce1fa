"""The form that starts self-training: `avhcurate self-train` as a job, with defaults from the workspace."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.data.background import Command
from avhcurate.data.datasets import DatasetFolder
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.rules import RULES
from avhcurate.self_training import results
from avhcurate.self_training.domains import known_runs
from avhcurate.table.subset import same_classes
from avhcurate.ui import job_forms as forms
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import empty_state
from avhcurate.ui.notes import run_titles
from avhcurate.ui.score_help import RULE_NAMES
from avhcurate.ui.user_errors import plain

STORY = (
    "Does a model get better on images without labels? It learns from a source with labels, then round by round from "
    "its own pseudo-labels of this dataset, the target.  \nLabels of the target are used for reporting only. Filters "
    "on the left narrow the gallery only."
)
#: The rules that the form proposes.
_RULES = ["confidence", "avc"]
TRAINERS = {"probe": "A head on frozen features", "full": "The whole network"}
_WHY = """
Choose where the labels come from. In every round each rule selects the samples of this dataset whose class-balanced
label it trusts, learns from the source and from those, and labels the dataset again. Afterwards this page shows whether
that made the model better, which rule chose better labels, and what AVC chose that softmax did not; any round's labels
can be exported. A head on frozen features takes seconds to minutes; a dataset that the network has not scored yet is
scored first.
"""


@dataclass(frozen=True)
class SelfTrain(Command):
    """Options of `avhcurate self-train`; `seeds` is how many.

    >>> SelfTrain("photo", "sketch", rule=["avc", "lrent"], seeds=2, rounds=4).argv
    ['self-train', '--source=photo', '--target=sketch', '--rule=avc,lrent', '--seeds=0,1', '--rounds=4']
    """

    verb = "self-train"
    source: str = ""
    target: str = ""
    model: str = forms.model_choice(
        "Network",
        260,
        "Type a part of a name and choose a match, or type any name as for scoring. One that has scored both datasets "
        "is not scored again.",
        check=None,  # a run's name stands for its features
    )
    rule: Sequence[str] = forms.option(
        st.pills,
        label="Rules",
        options=list(RULES),
        selection_mode="multi",
        format_func=RULE_NAMES.__getitem__,
        help="Each runs with each seed. The page Pseudo-labels explains them.",
    )
    seeds: int = forms.number(
        "Runs of each rule; from two on, means have intervals and rules are tested against each other.",
        width=110,
        max_value=20,
        value=3,
        default=1,
        write=forms.seed_list,
    )
    portion: str = forms.text(
        "Share of each predicted class to trust: START:END:STEP a round, or one number for all rounds.",
        default="0.2:0.5:0.05",
    )
    trainer: str = "probe"
    rounds: int | None = forms.number(
        "Of selecting and learning; as many as the portion takes to its end unless you say otherwise.",
        "to the end",
        150,
    )
    source_where: str = forms.text(None, "a SQL condition", 200, label="Learn only from")
    target_where: str = forms.text(None, "a SQL condition", 200, label="Adapt only to")
    epochs: int | None = forms.number("Passes over source and selected samples.", "10", label="Epochs a round")
    batch_size: int | None = forms.number("Samples a step.", "128")
    learning_rate: float | None = forms.number("The highest of a round.", low=0.0, format="%.4g")
    weight_decay: float | None = forms.number("Of all parameters.", low=0.0, format="%.4g")
    alpha: float | None = forms.number(
        "Weight of the regulariser, the same for all rules.", "the rule's", low=0.0, format="%.4g", label="α"
    )
    hidden: int | None = forms.number(
        "Of the head's layer before the last; 0 for one linear layer.", "512", low=0, label="Hidden width"
    )
    weights: str = forms.text("A file on the server, or `random`.", "the model's own", 250)
    device: str = forms.choice(forms.DEVICES, width=120)
    precision: str = forms.choice(forms.PRECISIONS)

    def __post_init__(self) -> None:
        if not self.rule:
            raise CurateError("which rules? Choose one or more, such as Confidence and AVC")

    @property
    def subject(self) -> str:
        """The dataset that is adapted to."""
        return self.target


def first_start(page: Opened, *, busy: bool) -> None:
    """What the page is for, and the form; shown before there is a run, and while the first one starts."""
    sources = _sources(page)
    source = shlex.quote(sources[0] if sources else page.table.dataset.name)
    command = f"avhcurate self-train --source {source} --target {shlex.quote(page.table.dataset.name)}"
    part = "" if sources else " --source-where \"split = 'train'\""
    command += f"{part} --rule confidence,avc --seeds 0,1,2"
    title = f"No model has been adapted to {plain(page.table.dataset.name)} yet"
    empty_state(title, "autorenew", _WHY, partial(_first_form, page, busy=busy), command=command)
    if busy:
        await_round(page)


def _first_form(page: Opened, *, busy: bool) -> None:
    if usual := _usual(page):
        forms.fill_page(page.workspace.root, usual, busy=busy)
    form(page, busy=busy)


def await_round(page: Opened) -> None:
    """Runs the page again as soon as there is another round to show."""

    def rounds() -> int:
        folders = results.trainings(page.workspace, page.table.dataset.name)
        return sum(1 + len(folder.rounds()) for folder in folders)

    forms.await_more(rounds, every=2.0)


# --- defaults -----------------------------------------------------------------------------------


def _sources(page: Opened) -> list[str]:
    """Other datasets of the workspace whose classes are the target's, in its order."""
    target = page.table.dataset.record
    others = [other.record for other in forms.other_datasets(page.workspace, target.name)]
    return [other.name for other in others if len(other.classes) > 1 and same_classes(other, target)]


def _usual(page: Opened) -> SelfTrain | None:
    """What the form proposes, with one seed; None where the dataset has neither a source nor a split to learn from."""
    target, others = page.table.dataset, _sources(page)
    part = "" if others else _usual_part(page)
    if not (others or part):
        return None
    source = page.workspace.dataset(others[0]) if others else target
    model = _models(source, target, _networks(source, target))[0]
    return SelfTrain(source.name, target.name, model, rule=_RULES, source_where=part)


def _usual_part(page: Opened) -> str:
    """The condition that picks what is learnt from in the target itself, "" where it has no training split."""
    return "split = 'train'" if "train" in set(page.table.group_counts("split")["value"]) else ""


def _models(source: DatasetFolder, target: DatasetFolder, scored_both: Iterable[str]) -> list[str]:
    """Networks to choose from: runs of both, then what has scored either, the newest first, then all others."""
    scored = [run.record.model for one in (target, source) for run in reversed(one.runs()) if run.complete]
    return forms.models(*scored_both, *scored)


def _networks(source: DatasetFolder, target: DatasetFolder) -> dict[str, str]:
    """Runs of the target whose network has scored the source too, newest first: name and title."""
    names = run_titles(target)
    return {
        run.name: names[run.name]
        for run in reversed(target.runs())
        if run.complete and known_runs(source, target, run.name, "auto")
    }


# --- the form ------------------------------------------------------------------------------------------------


def form(page: Opened, *, busy: bool) -> None:
    """Source, rules and network of a self-training; the button that starts the job."""
    target, others = page.table.dataset, _sources(page)
    if not others:
        st.caption(
            "No other dataset here has these classes in this order, so this one is split by two conditions: one for "
            "the source, the rest is the target."
        )
    with forms.row():
        source = st.selectbox(
            "Learn from",
            [*others, target.name],
            key="selftrain.start_source",
            width=200,
            format_func=lambda name: f"{name} (a part of it)" if name == target.name else name,
            help="The source: its curated labels are learnt from, excluded samples are not.",
        )
        trainer = st.segmented_control(
            "What learns",
            list(TRAINERS),
            default="probe",
            required=True,
            key="selftrain.start_trainer",
            format_func=TRAINERS.__getitem__,
            help="The whole network takes a GPU, or hours.",
        )
    source_folder = page.workspace.dataset(source)
    scored_both = _networks(source_folder, target)

    def command(*, model: str | None, weights: str, **options: Any) -> SelfTrain:
        # A run's name identifies its features; the whole network and other weights take the model's name.
        if model in scored_both and (trainer == "full" or weights.strip()):
            model = target.run(model).record.model
        return SelfTrain(source, target.name, model or "", trainer=trainer, weights=weights, **options)

    def close(_: Command) -> None:
        forms.open_form("selftrain", False)

    root = page.workspace.root
    with forms.job_form(root, "selftrain.start_", SelfTrain, busy=busy, make=command, then=close) as fields:
        _main_fields(fields, source_folder, target, scored_both)
        if trainer == "probe" and not scored_both:
            st.caption("No network has scored both datasets yet: the one named here does so first.")
        if source == target.name:
            _part_fields(fields, page)
        with st.expander("More"):
            _more(fields, full=trainer == "full", apart=source != target.name)
        fields.submit("Start self-training", "autorenew")


def _main_fields(
    form: forms.JobForm, source: DatasetFolder, target: DatasetFolder, scored_both: dict[str, str]
) -> None:
    with forms.row():
        form.ask("rule", default=_RULES)
    with forms.row():
        form.ask(
            "model",
            key=f"selftrain.start_model.{source.name}",  # one a source: another has not been scored by the same runs
            options=_models(source, target, scored_both),
            format_func=lambda name: f"{scored_both[name]} (scored both)" if name in scored_both else name,
        )
        form.ask("seeds", "portion", "rounds")


def _part_fields(form: forms.JobForm, page: Opened) -> None:
    with forms.row():
        form.ask(
            "source_where", value=_usual_part(page), width=300, help="Such as `split = 'train'` or `domain = 'photo'`."
        )
        help = "A SQL condition; it must exclude the samples that are learnt from."
        form.ask("target_where", placeholder="all the rest", width=300, help=help)


def _more(form: forms.JobForm, *, full: bool, apart: bool) -> None:
    with forms.row():
        form.ask("epochs", "batch_size")
        form.ask("learning_rate", placeholder="0.01" if full else "0.001")
        form.ask("weight_decay", placeholder="5e-4" if full else "1e-4")
        form.ask("alpha", *([] if full else ["hidden"]))
    with forms.row():
        form.ask("weights", "device", "precision", *(["source_where", "target_where"] if apart else []))
