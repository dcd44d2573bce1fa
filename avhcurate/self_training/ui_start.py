"""The form that starts self-training: `avhcurate self-train` as a job, with what can be found out filled in."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.data.background import Command
from avhcurate.data.datasets import DatasetFolder
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.rules import RULES
from avhcurate.self_training import results
from avhcurate.self_training.paired_runs import known_runs
from avhcurate.table.dataset_table import titles
from avhcurate.table.subset import same_classes
from avhcurate.ui import job_forms as forms
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import empty_state
from avhcurate.ui.score_help import RULE_NAMES
from avhcurate.ui.user_errors import plain

STORY = (
    "A model learns from a source with labels, then round by round from what it labels itself in this dataset, the "
    "target.  \nLabels of the target are used for reporting only. Filters on the left narrow the gallery only."
)
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
        "Choose one, or type a name as for scoring. One that has scored both datasets needs no more scoring.",
    )
    rule: Sequence[str] = forms.option(
        st.pills,
        label="Rules",
        options=list(RULES),
        selection_mode="multi",
        format_func=RULE_NAMES.__getitem__,
        help="Each runs with each seed. The page Pseudo-labels tells what they do.",
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


def first(here: Opened, *, busy: bool) -> None:
    """What the page is for, and the form; shown before there is a run, and while the first one begins."""
    sources = _sources(here)
    source = shlex.quote(sources[0] if sources else here.table.dataset.name)
    command = f"avhcurate self-train --source {source} --target {shlex.quote(here.table.dataset.name)}"
    part = "" if sources else " --source-where \"split = 'train'\""
    command += f"{part} --rule confidence,avc --seeds 0,1,2"
    title = f"No model has been adapted to {plain(here.table.dataset.name)} yet"
    empty_state(title, "autorenew", _WHY, partial(form, here, busy=busy), command=command)
    if busy:
        await_rounds(here)


def await_rounds(here: Opened) -> None:
    """Runs the page again as soon as there is another round to show."""

    def made() -> int:
        every = results.trainings(here.workspace, here.table.dataset.name)
        return sum(1 + len(folder.rounds()) for folder in every)

    forms.await_more(made, every=2.0)


# --- what can be found out -----------------------------------------------------------------------------------


def _sources(here: Opened) -> list[str]:
    """Other datasets of the workspace whose classes are the target's, in its order."""
    target = here.table.dataset.record
    others = [other.record for other in forms.other_datasets(here.workspace, target.name)]
    return [other.name for other in others if len(other.classes) > 1 and same_classes(other, target)]


def networks(source: DatasetFolder, target: DatasetFolder) -> dict[str, str]:
    """Runs of the target whose network has scored the source too, newest first: name and title."""
    called, found = titles(target), {}
    for run in reversed(target.runs()):
        pair = known_runs(source, target, run.name, "auto") if run.complete else None
        if pair is not None:
            found[run.name] = called[run.name]
    return found


# --- the form ------------------------------------------------------------------------------------------------


def form(here: Opened, *, busy: bool) -> None:
    """Source, rules and network of a self-training; the button that starts the job."""
    target, others = here.table.dataset, _sources(here)
    if not others:
        st.caption(
            "No other dataset here has these classes in this order, so this one is parted by two conditions: one says "
            "what is learnt from, the rest is adapted to."
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
            help="The whole network takes a GPU, or patience.",
        )
    learnt = here.workspace.dataset(source)
    known = networks(learnt, target)

    def command(*, model: str | None, weights: str, **options: Any) -> SelfTrain:
        # A run's name tells which features are meant; the whole network, and other weights, go by the model's own.
        if model in known and (trainer == "full" or weights.strip()):
            model = target.run(model).record.model
        return SelfTrain(source, target.name, model or "", trainer=trainer, weights=weights, **options)

    def close(_: Command) -> None:
        forms.open_form("selftrain", False)

    root = here.workspace.root
    with forms.job_form(root, "selftrain.start_", SelfTrain, busy=busy, make=command, then=close) as fields:
        _main_fields(fields, learnt, target, known)
        if trainer == "probe" and not known:
            st.caption("No network has scored both datasets yet: the one named here does so first.")
        if source == target.name:
            _part_fields(fields, here)
        with st.expander("More"):
            _more(fields, full=trainer == "full", apart=source != target.name)
        fields.submit("Start self-training", "autorenew")


def _main_fields(form: forms.JobForm, source: DatasetFolder, target: DatasetFolder, known: dict[str, str]) -> None:
    scored = [run.record.model for one in (target, source) for run in reversed(one.runs()) if run.complete]
    with forms.row():
        form.ask("rule", default=["confidence", "avc"])
    with forms.row():
        form.ask(
            "model",
            key=f"selftrain.start_model.{source.name}",  # its own of each: a run's name means nothing to another
            options=list(dict.fromkeys([*known, *scored, *forms.MODELS])),
            format_func=lambda name: f"{known[name]} (scored both)" if name in known else name,
        )
        form.ask("seeds", "portion", "rounds")


def _part_fields(form: forms.JobForm, here: Opened) -> None:
    splits = here.table.group_counts("split")["value"]
    usual = "split = 'train'" if "train" in set(splits) else ""
    with forms.row():
        form.ask("source_where", value=usual, width=300, help="Such as `split = 'train'` or `domain = 'photo'`.")
        about = "A SQL condition; what is learnt from may not be among it."
        form.ask("target_where", placeholder="all the rest", width=300, help=about)


def _more(form: forms.JobForm, *, full: bool, apart: bool) -> None:
    with forms.row():
        form.ask("epochs", "batch_size")
        form.ask("learning_rate", placeholder="0.01" if full else "0.001")
        form.ask("weight_decay", placeholder="5e-4" if full else "1e-4")
        form.ask("alpha", *([] if full else ["hidden"]))
    with forms.row():
        form.ask("weights", "device", "precision", *(["source_where", "target_where"] if apart else []))
