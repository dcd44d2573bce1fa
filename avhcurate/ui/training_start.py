"""The form that starts a training: `avhcurate train` as a job, with what can be found out filled in."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.services import jobs
from avhcurate.storage.datasets import DatasetFolder
from avhcurate.storage.workspace import Workspace
from avhcurate.training.choices import LOSSES, PRECISIONS, SCHEDULES
from avhcurate.ui import state
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.mistakes import plain
from avhcurate.ui.starting import DEVICES
from avhcurate.ui.state import View

#: Networks that can be trained here, the project's own first; any other name that the command line takes may be typed.
MODELS = (
    "avhcurate:resnet20",
    "avhcurate:resnet56",
    "avhcurate:resnet18",
    "avhcurate:cnn9",
    "avhcurate:vgg-small",
    "avhcurate:alexnet-small",
    "avhcurate:digits",
    "torchvision:resnet18",
    "torchvision:resnet50",
)
LOSS_NAMES = {"softmax": "Softmax", "avh": "AVH loss", "cosine": "Cosine softmax"}
_USUAL = "chosen"
#: Session state: whether the form is open beside trainings that are there.
_OPEN = "train.open"

_WHY = """
Training here is for watching: after every epoch, and several times within the first, each held-out sample is looked at,
and its loss, confidence, margin, AVH and norm are kept. The curves then show what the paper says of training, on your
data; the map shows which samples were learnt early, late or never.
"""


def train_command(
    dataset: str,
    model: str,
    *,
    held_out: str = "",
    loss: str = "softmax",
    epochs: int = 20,
    seeds: int = 1,
    options: dict[str, Any] | None = None,
    pretrained: bool = False,
) -> list[str]:
    """Arguments of `avhcurate train`, empty ones left out; what users type cannot turn into an option.

    >>> train_command("pets", "avhcurate:cnn9", held_out="pets2", seeds=2, options={"drops": "10,15", "precision": ""})
    ['train', 'pets', '--model=avhcurate:cnn9', '--loss=softmax', '--epochs=20', '--seeds=0,1', '--held-out=pets2', \
'--drops=10,15']
    """
    if not model.strip():
        raise CurateError("which network? Choose one or type its name, such as avhcurate:resnet20")
    values = {
        "model": model,
        "loss": loss,
        "epochs": epochs,
        "seeds": ",".join(map(str, range(seeds))),
        "held-out": held_out if held_out != dataset else "",
        **(options or {}),
    }
    texts = {name: "" if value is None else str(value).strip() for name, value in values.items()}
    said = [f"--{name}={text}" for name, text in texts.items() if text]
    return ["train", dataset, *said, *(["--pretrained"] if pretrained else [])]


def first(here: Opened, *, busy: bool) -> None:
    """What the page is for, and the form; shown before there is a training, and while the first one begins."""
    with st.container(border=True):
        name = plain(here.table.dataset.name)
        st.subheader(f"No training has looked at {name} yet", icon=":material/timeline:")
        st.markdown(_WHY)
        _form(here, busy=busy)
    st.caption("Or from a shell:")
    st.code(f"avhcurate train {here.table.dataset.name} --model {usual_model(here.table.dataset)}", language="bash")
    if busy:
        _await_first(here)


def another_button() -> None:
    """Opens the form of `another`, or closes it."""
    label, icon = ("Close the form", "close") if st.session_state.get(_OPEN) else ("Train another", "add")
    st.button(label, icon=f":material/{icon}:", key="train.another", on_click=_open, width="content")


def another(here: Opened, *, busy: bool) -> None:
    """The form, where it was asked for."""
    if st.session_state.get(_OPEN):
        with st.container(border=True):
            _form(here, busy=busy)


def _open() -> None:
    st.session_state[_OPEN] = not st.session_state.get(_OPEN)


@st.fragment(run_every=1.0)
def _await_first(here: Opened) -> None:
    """Runs the page again as soon as there is a training to show."""
    if here.table.dataset.trainings():
        st.rerun()


# --- what can be found out -----------------------------------------------------------------------------------


def usual_model(dataset: DatasetFolder) -> str:
    """The project's own network that has scored the dataset or was trained on it last, else a small ResNet."""
    done = [run.record.model for run in dataset.runs()] + [training.record.model for training in dataset.trainings()]
    known = [model for model in done if model.startswith("avhcurate:")]
    return known[-1] if known else MODELS[0]


def partners(workspace: Workspace, dataset: DatasetFolder) -> list[DatasetFolder]:
    """Other datasets of the workspace with the same classes in the same order."""
    found = []
    for name in workspace.names():
        if name == dataset.name:
            continue
        try:
            other = workspace.dataset(name)
            if other.record.classes == dataset.record.classes:
                found.append(other)
        except CurateError:  # a damaged neighbour is no partner; the page of its own says what is wrong
            continue
    return found


def usual_parts(here: Opened, others: Sequence[DatasetFolder]) -> tuple[str, str]:
    """Names of the datasets to learn from and to look at, unless the user says otherwise.

    Votes are worth most on samples that the network has not learnt from: a dataset with votes and without a split for
    training is looked at, and the largest partner learnt from.
    """
    dataset, splits = here.table.dataset, here.table.group_counts("split")["value"]
    split = any(isinstance(value, str) and value.lower() in ("train", "training") for value in splits)
    if others and not split:
        other = max(others, key=lambda folder: folder.record.samples)
        voted, votes = here.table.votes is not None, other.record.votes is not None
        larger = other.record.samples > dataset.record.samples
        return (
            (other.name, dataset.name) if voted > votes or (voted == votes and larger) else (dataset.name, other.name)
        )
    return dataset.name, dataset.name


# --- the form ------------------------------------------------------------------------------------------------


def _form(here: Opened, *, busy: bool) -> None:
    dataset = here.table.dataset
    others = partners(here.workspace, dataset)
    known, held = usual_parts(here, others)
    names, usual = [dataset.name, *(other.name for other in others)], usual_model(dataset)
    with st.form(f"train.{dataset.name}", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox(
                "Network",
                list(dict.fromkeys([usual, *MODELS])),
                key="train.model",
                accept_new_options=True,
                help="Choose one, or type `avhcurate:NAME`, `torchvision:NAME`, `timm:NAME`, `efficientnet-lite0/1/2` "
                "or `PACKAGE.MODULE:FACTORY`.",
                width=230,
            )
            st.selectbox("Loss", LOSSES, key="train.loss", format_func=LOSS_NAMES.__getitem__, width=160)
            st.number_input("Epochs", min_value=1, value=20, step=1, key="train.epochs", width=120)
            st.number_input(
                "Seeds", 1, 10, step=1, key="train.seeds", width=110, help="So many trainings, one after the other."
            )
            if others:
                _datasets(names, known, held)
            st.form_submit_button(
                "Start training",
                icon=":material/model_training:",
                type="primary",
                disabled=busy,
                help="A job is running: wait for it or cancel it." if busy else None,
                on_click=attempt,
                args=(partial(_start, here.workspace.root, dataset.name),),
            )
        if not others:
            st.caption(
                "Learns from the split “train” and looks at the rest; without such a split a tenth of each class is "
                "held out."
            )
        with st.expander("More"):
            _more()


def _datasets(names: Sequence[str], known: str, held: str) -> None:
    st.selectbox("Learn from", names, index=names.index(known), key="train.known", width=180)
    st.selectbox(
        "Look at",
        names,
        index=names.index(held),
        key="train.held",
        help="The held-out samples. The same as “Learn from” takes what is not of its split “train”, or else a tenth "
        "of each class.",
        width=180,
    )


def _more() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Learning rate", min_value=0.0, value=None, format="%.4g", placeholder=_USUAL, key="train.learning-rate",
            help="The highest: 0.05 from scratch, 0.01 from published weights.", width=150,
        )  # fmt: skip
        st.selectbox("Schedule", SCHEDULES, key="train.schedule", help="How the learning rate moves.", width=150)
        st.text_input(
            "Rate drops", key="train.drops", placeholder="half, 3/4", width=150,
            help="Epochs at which a step schedule divides the rate by ten, as 10,15.",
        )  # fmt: skip
        st.number_input("Batch size", min_value=2, value=None, placeholder="128", key="train.batch-size", width=130)
        st.selectbox("Precision", PRECISIONS, key="train.precision", width=130)
        st.selectbox("Device", DEVICES, key="train.device", width=120)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Learn only from", key="train.train-where", placeholder="a SQL condition", width=230,
            help="Such as `hsf > 0.4`; excluded samples are left out, and relabelled ones count with their new label.",
        )  # fmt: skip
        st.text_input(
            "Look only at", key="train.held-out-where", placeholder="a SQL condition", width=230,
            help="Such as `split = 'val'`. What is looked at is not learnt from.",
        )  # fmt: skip
        st.checkbox("Start from published weights", key="train.pretrained", help="Where the network has some.")


#: Options behind “More”, by the name that both the command line and the form's keys have, and what goes without saying.
_OPTIONS = {
    "learning-rate": None, "schedule": SCHEDULES[0], "drops": "", "batch-size": None, "precision": PRECISIONS[0],
    "device": DEVICES[0], "train-where": "", "held-out-where": "",
}  # fmt: skip


def _start(root: Path, dataset: str) -> None:
    said = st.session_state
    known, held = said.get("train.known", dataset), said.get("train.held", dataset)
    given = {name: said[f"train.{name}"] for name, usual in _OPTIONS.items() if said[f"train.{name}"] != usual}
    argv = train_command(
        known,
        said["train.model"] or "",
        held_out=held,
        loss=said["train.loss"],
        epochs=said["train.epochs"],
        seeds=said["train.seeds"],
        options=given,
        pretrained=said["train.pretrained"],
    )
    jobs.start(root, argv, verb="train", dataset=held)
    said[_OPEN] = False
    view = state.current()
    # The newest is shown, which is the one that now begins, with the dataset that it is looked at with.
    state.write(view.choosing("dynamics.trainings", "") if held == dataset else View(dataset=held))
