"""The form that starts self-training: `avhcurate self-train` as a job, with what can be found out filled in."""

import shlex
from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.curation.selection import RULES
from avhcurate.errors import CurateError
from avhcurate.services import jobs, rounds
from avhcurate.services.paired_runs import known_runs
from avhcurate.services.tables import titles
from avhcurate.storage.datasets import DatasetFolder
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.mistakes import plain
from avhcurate.ui.pseudo_labels import NAMES
from avhcurate.ui.starting import DEVICES, MODELS
from avhcurate.ui.starting import PRECISIONS as ALL_PRECISIONS

STORY = (
    "A model learns from a source with labels, then round by round from what it labels itself in this dataset, the "
    "target.  \nLabels of the target are used for reporting only. Filters on the left narrow the gallery only."
)
TRAINERS = {"probe": "A head on frozen features", "full": "The whole network"}
_PORTION = "0.2:0.5:0.05"
_USUAL_RULES = ["confidence", "avc"]
_USUAL = "chosen"
#: Session state: whether the form is open beside runs that are there.
_OPEN = "selftrain.open"
#: Seconds between two looks for a new round.
_OFTEN = 2.0

_WHY = """
Choose where the labels come from. In every round each rule selects the samples of this dataset whose class-balanced
label it trusts, learns from the source and from those, and reads the dataset anew. Afterwards this page shows whether
that made the model better, which rule chose better labels, and what AVC chose that softmax did not; any round's labels
can be exported. A head on frozen features takes seconds to minutes; a dataset that the network has not scored yet is
scored first.
"""


def self_train_command(
    source: str,
    target: str,
    *,
    rules: Sequence[str],
    seeds: int = 1,
    model: str = "",
    trainer: str = "probe",
    portion: str = _PORTION,
    options: dict[str, Any] | None = None,
) -> list[str]:
    """Arguments of `avhcurate self-train`, empty ones left out; what users type cannot turn into an option.

    >>> self_train_command("photo", "sketch", rules=["avc", "lrent"], seeds=2, options={"rounds": 4, "alpha": None})
    ['self-train', '--source=photo', '--target=sketch', '--rule=avc,lrent', '--seeds=0,1', '--portion=0.2:0.5:0.05', \
'--trainer=probe', '--rounds=4']
    """
    if not rules:
        raise CurateError("which rules? Choose one or more, such as Confidence and AVC")
    values = {
        "source": source,
        "target": target,
        "model": model,
        "rule": ",".join(rules),
        "seeds": ",".join(map(str, range(seeds))),
        "portion": portion,
        "trainer": trainer,
        **(options or {}),
    }
    texts = {name: "" if value is None else str(value).strip() for name, value in values.items()}
    return ["self-train", *(f"--{name}={text}" for name, text in texts.items() if text)]


def first(here: Opened, *, busy: bool) -> None:
    """What the page is for, and the form; shown before there is a run, and while the first one begins."""
    with st.container(border=True):
        name = plain(here.table.dataset.name)
        st.subheader(f"No model has been adapted to {name} yet", icon=":material/autorenew:")
        st.markdown(_WHY)
        _form(here, busy=busy)
    st.caption("Or from a shell:")
    sources = _sources(here)
    source = shlex.quote(sources[0] if sources else here.table.dataset.name)
    command = f"avhcurate self-train --source {source} --target {shlex.quote(here.table.dataset.name)}"
    part = "" if sources else " --source-where \"split = 'train'\""
    st.code(f"{command}{part} --rule confidence,avc --seeds 0,1,2", language="bash")
    if busy:
        await_rounds(here)


def another_button() -> None:
    """Opens the form of `another`, or closes it."""
    label, icon = ("Close the form", "close") if st.session_state.get(_OPEN) else ("Start another", "add")
    st.button(label, icon=f":material/{icon}:", key="selftrain.another", on_click=_open, width="content")


def another(here: Opened, *, busy: bool) -> None:
    """The form, where it was asked for."""
    if st.session_state.get(_OPEN):
        with st.container(border=True):
            _form(here, busy=busy)


def _open() -> None:
    st.session_state[_OPEN] = not st.session_state.get(_OPEN)


def await_rounds(here: Opened) -> None:
    """Runs the page again as soon as there is another round to show."""
    st.fragment(_look, run_every=_OFTEN)(here, _made(here))


def _look(here: Opened, known: int) -> None:
    if _made(here) != known:
        st.rerun()


def _made(here: Opened) -> int:
    every = rounds.trainings(here.workspace, here.table.dataset.name)
    return sum(1 + len(folder.rounds()) for folder in every)


# --- what can be found out -----------------------------------------------------------------------------------


def _sources(here: Opened) -> list[str]:
    """Other datasets of the workspace whose classes are the target's, in its order."""
    target, found = here.table.dataset.record, []
    for name in here.workspace.names():
        try:
            record = here.workspace.dataset(name).record
        except CurateError:  # a damaged neighbour is no source; the page of its own says what is wrong
            continue
        same = record.classes if target.classes_declared else record.classes[: len(target.classes)]
        if name != target.name and len(record.classes) > 1 and same == target.classes:
            found.append(name)
    return found


def networks(source: DatasetFolder, target: DatasetFolder) -> dict[str, str]:
    """Runs of the target whose network has scored the source too, newest first: name and title."""
    called, found = titles(target), {}
    for run in reversed(target.runs()):
        pair = known_runs(source, target, run.name, "auto") if run.complete else None
        if pair is not None:
            found[run.name] = called[run.name]
    return found


# --- the form ------------------------------------------------------------------------------------------------


def _form(here: Opened, *, busy: bool) -> None:
    target, others = here.table.dataset, _sources(here)
    if not others:
        st.caption(
            "No other dataset here has these classes in this order, so this one is parted by two conditions: one says "
            "what is learnt from, the rest is adapted to."
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.selectbox(
            "Learn from", [*others, target.name], key="selftrain.start_source", width=200,
            format_func=lambda name: f"{name} (a part of it)" if name == target.name else name,
            help="The source: its curated labels are learnt from, excluded samples are not.",
        )  # fmt: skip
        trainer = st.segmented_control(
            "What learns", list(TRAINERS), default="probe", required=True, key="selftrain.start_trainer",
            format_func=TRAINERS.__getitem__, help="The whole network takes a GPU, or patience.",
        )  # fmt: skip
    learnt = here.workspace.dataset(source)
    known = networks(learnt, target)
    with st.form(f"selftrain.{target.name}", border=False):
        _main_fields(learnt, target, known)
        if trainer == "probe" and not known:
            st.caption("No network has scored both datasets yet: the one named here does so first.")
        if source == target.name:
            _part_fields(here)
        with st.expander("More"):
            _more(trainer, apart=source != target.name)
        st.form_submit_button(
            "Start self-training",
            icon=":material/autorenew:",
            type="primary",
            disabled=busy,
            help="A job is running: wait for it or cancel it." if busy else None,
            on_click=attempt,
            args=(partial(_start, here, known),),
        )


def _main_fields(source: DatasetFolder, target: DatasetFolder, known: dict[str, str]) -> None:
    scored = [run.record.model for one in (target, source) for run in reversed(one.runs()) if run.complete]
    names = [*known, *scored, *MODELS]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.pills(
            "Rules", list(RULES), selection_mode="multi", default=_USUAL_RULES, key="selftrain.start_rules",
            format_func=NAMES.__getitem__, help="Each runs with each seed. The page Pseudo-labels tells what they do.",
        )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Network", list(dict.fromkeys(names)), key=f"selftrain.start_model.{source.name}", width=260,
            accept_new_options=True,
            format_func=lambda name: f"{known[name]} (scored both)" if name in known else name,
            help="Choose one, or type a name as for scoring. One that has scored both datasets needs no more scoring.",
        )  # fmt: skip
        st.number_input(
            "Seeds", 1, 20, 3, key="selftrain.start_seeds", width=110,
            help="Runs of each rule; from two on, means have intervals and rules are tested against each other.",
        )  # fmt: skip
        st.text_input(
            "Portion", _PORTION, key="selftrain.start_portion", width=150,
            help="Share of each predicted class to trust: START:END:STEP a round, or one number for all rounds.",
        )  # fmt: skip
        st.number_input(
            "Rounds", 1, None, None, key="selftrain.start_rounds", placeholder="to the end", width=150,
            help="Of selecting and learning; as many as the portion takes to its end unless you say otherwise.",
        )  # fmt: skip


def _part_fields(here: Opened) -> None:
    splits = here.table.group_counts("split")["value"]
    usual = "split = 'train'" if "train" in set(splits) else ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Learn only from", usual, key="selftrain.start_source-where", placeholder="a SQL condition", width=300,
            help="Such as `split = 'train'` or `domain = 'photo'`.",
        )  # fmt: skip
        st.text_input(
            "Adapt only to", key="selftrain.start_target-where", placeholder="all the rest", width=300,
            help="A SQL condition; what is learnt from may not be among it.",
        )  # fmt: skip


def _more(trainer: str, *, apart: bool) -> None:
    def choice(label: str, name: str, usual: Any, help: str, low: Any = 1, form: str | None = None) -> None:
        st.number_input(
            label, low, None, None, key=f"selftrain.start_{name}", placeholder=str(usual), help=help, format=form,
            width=130,
        )  # fmt: skip

    full = trainer == "full"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choice("Epochs a round", "epochs", 10, "Passes over source and selected samples.")
        choice("Batch size", "batch-size", 128, "Samples a step.")
        choice("Learning rate", "learning-rate", 0.01 if full else 0.001, "The highest of a round.", 0.0, "%.4g")
        choice("Weight decay", "weight-decay", "5e-4" if full else "1e-4", "Of all parameters.", 0.0, "%.4g")
        choice("α", "alpha", "the rule's", "Weight of the regulariser, the same for all rules.", 0.0, "%.4g")
        if not full:
            choice("Hidden width", "hidden", 512, "Of the head's layer before the last; 0 for one linear layer.", 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Weights", key="selftrain.start_weights", placeholder="the model's own", width=250,
            help="A file on the server, or `random`.",
        )  # fmt: skip
        st.selectbox("Device", DEVICES, key="selftrain.start_device", width=120)
        st.selectbox("Precision", ALL_PRECISIONS, key="selftrain.start_precision", width=130)
        if apart:
            for label, name in (("Learn only from", "source-where"), ("Adapt only to", "target-where")):
                st.text_input(label, key=f"selftrain.start_{name}", placeholder="a SQL condition", width=200)


#: Options of the command line that the form leaves out where the user says nothing.
_OPTIONS = (
    "rounds", "source-where", "target-where", "epochs", "batch-size", "learning-rate", "weight-decay", "alpha",
    "hidden", "weights", "device", "precision",
)  # fmt: skip


def _start(here: Opened, known: dict[str, str]) -> None:
    said = {str(key).removeprefix("selftrain.start_"): value for key, value in st.session_state.items()}
    model = said[f"model.{said['source']}"] or ""  # of each source its own: a run's name means nothing to another
    # A run's name tells which features are meant; the whole network, and other weights, go by the model's own.
    if model in known and (said["trainer"] == "full" or said["weights"].strip()):
        model = here.table.dataset.run(model).record.model
    options = {name: said.get(name) for name in _OPTIONS}
    for name in ("device", "precision"):
        options[name] = None if options[name] == "auto" else options[name]
    target = here.table.dataset.name
    argv = self_train_command(
        said["source"],
        target,
        rules=said["rules"],
        seeds=said["seeds"],
        model=model,
        trainer=said["trainer"],
        portion=said["portion"],
        options=options,
    )
    jobs.start(here.workspace.root, argv, verb="self-train", dataset=target)
    st.session_state[_OPEN] = False
