"""The form that starts a training: `avhcurate train` as a job, filled in where the dataset decides."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.data.background import Command
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.training.recipe import LOSSES, PRECISIONS, SCHEDULES
from avhcurate.training_dynamics.train_settings import TRAIN_SAMPLE
from avhcurate.ui import job_forms as forms
from avhcurate.ui import url_state
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import empty_state
from avhcurate.ui.text import PAPER
from avhcurate.ui.url_state import View
from avhcurate.ui.user_errors import plain

#: Networks that are usually trained here, the project's own first.
MODELS = (
    "avhcurate:resnet20",
    "avhcurate:resnet56",
    "avhcurate:resnet18",
    "avhcurate:cifar-fast",
    "avhcurate:cnn9",
    "avhcurate:vgg-small",
    "avhcurate:alexnet-small",
    "avhcurate:digits",
    "torchvision:resnet18",
    "torchvision:resnet50",
)
LOSS_NAMES = {"softmax": "Softmax", "avh": "AVH loss", "cosine": "Cosine softmax"}

_WHY = f"""
Training here is for watching: after every epoch, and several times within the first, each held-out sample is evaluated,
and its loss, confidence, margin, AVH and norm are kept. The curves then show what the paper
({PAPER}) says of training, on your data; the map shows which samples were learnt early, late or never.
"""


@dataclass(frozen=True)
class Train(Command):
    """Options of `avhcurate train`; `seeds` is how many.

    >>> Train("pets", "avhcurate:cnn9", held_out="pets2", seeds=2, drops="10,15").argv
    ['train', 'pets', '--model=avhcurate:cnn9', '--seeds=0,1', '--held-out=pets2', '--drops=10,15']
    """

    verb = "train"
    dataset: str = forms.option(st.selectbox, label="Learn from", default=forms.MISSING, width=180)
    model: str = forms.model_choice("Network", 230)
    loss: str = forms.choice(LOSSES, width=160, format_func=LOSS_NAMES.__getitem__)
    epochs: int = forms.number(width=120, default=20)
    seeds: int = forms.number(
        "So many trainings, one after the other.", width=110, max_value=10, default=1, write=forms.seed_list
    )
    held_out: str = forms.option(
        st.selectbox,
        label="Evaluate on",
        width=180,
        help="The held-out samples. The same as “Learn from” holds out what is not of its split “train”, or else a "
        "tenth of each class.",
    )
    learning_rate: float | None = forms.number(
        "The highest: 0.05 from scratch, 0.01 from published weights.", "chosen", 150, 0.0, format="%.4g"
    )
    schedule: str = forms.choice(SCHEDULES, "How the learning rate moves.", 150)
    drops: str = forms.text(
        "Epochs at which a step schedule divides the rate by ten, as 10,15.", "half, 3/4", label="Rate drops"
    )
    batch_size: int | None = forms.number(None, "128", low=2)
    precision: str = forms.choice(PRECISIONS)
    device: str = forms.choice(forms.DEVICES, width=120)
    train_where: str = forms.text(
        "Such as `hsf > 0.4`; excluded samples are left out, and relabelled ones count with their new label.",
        "a SQL condition",
        230,
        label="Learn only from",
    )
    held_out_where: str = forms.text(
        "Such as `split = 'val'`. None of these is learnt from.", "a SQL condition", 230, label="Evaluate only on"
    )
    train_sample: int | None = forms.number(
        "So many of the samples learnt from are evaluated too, a share of each class: AUM, forgetting and the data map "
        "of these are what the papers define.",
        str(TRAIN_SAMPLE),
        190,
        0,
        label="Evaluated of those learnt from",
    )
    pretrained: bool = forms.tick("Start from published weights", "Where the network has some.")

    def __post_init__(self) -> None:
        if not (self.model or "").strip():
            raise CurateError("which network? Choose one or type its name, such as avhcurate:resnet20")

    @property
    def subject(self) -> str:
        """The dataset held out."""
        return self.held_out or self.dataset


def first(page: Opened, *, busy: bool) -> None:
    """What the page is for, and the form; shown before there is a training, and while the first one begins."""
    dataset = page.table.dataset
    title = f"No training has evaluated {plain(dataset.name)} yet"
    command = f"avhcurate train {dataset.name} --model {usual_model(dataset)}"
    empty_state(title, "timeline", _WHY, partial(_first_form, page, busy=busy), command=command)
    if busy:
        forms.await_more(lambda: len(page.table.dataset.trainings()), known=0)


def _first_form(page: Opened, *, busy: bool) -> None:
    dataset = page.table.dataset
    forms.fill_page(page.workspace.root, Train(dataset.name, usual_model(dataset)), busy=busy)
    form(page, busy=busy)


# --- what the dataset decides --------------------------------------------------------------------------------


def usual_model(dataset: DatasetFolder) -> str:
    """The project's own network that has scored the dataset or was trained on it last, else a small ResNet."""
    done = [run.record.model for run in dataset.runs()] + [training.record.model for training in dataset.trainings()]
    known = [model for model in done if model.startswith("avhcurate:")]
    return known[-1] if known else MODELS[0]


def partners(workspace: Workspace, dataset: DatasetFolder) -> list[DatasetFolder]:
    """Other datasets of the workspace with the same classes in the same order."""
    return [
        other
        for other in forms.other_datasets(workspace, dataset.name)
        if other.record.classes == dataset.record.classes
    ]


# --- the form ------------------------------------------------------------------------------------------------


def form(page: Opened, *, busy: bool) -> None:
    """What to train, and on what; the button that starts the job."""
    name, others = page.table.dataset.name, partners(page.workspace, page.table.dataset)
    names, usual = [name, *(other.name for other in others)], usual_model(page.table.dataset)
    known = {} if others else {"dataset": name}
    with forms.job_form(page.workspace.root, "train.", Train, busy=busy, make=_command, then=_show, **known) as fields:
        with forms.row():
            fields.ask("model", options=forms.models(usual, usual=MODELS))
            fields.ask("loss", "epochs", "seeds")
            if others:
                # As in the shell: a part of the dataset itself is held out unless the user says otherwise.
                fields.ask("dataset", "held_out", options=names)
            fields.submit("Start training", "model_training")
        st.caption(
            "Learns from the split “train” and evaluates on the rest; without such a split a tenth of each class is "
            f"held out{', unless another dataset is chosen to evaluate on' if others else ''}."
        )
        with st.expander("More"):
            with forms.row():
                fields.ask("learning_rate", "schedule", "drops", "batch_size", "precision", "device")
            with forms.row():
                fields.ask("train_where", "held_out_where", "train_sample", "pretrained")


def _command(dataset: str, *, held_out: str = "", **options: Any) -> Train:
    return Train(dataset, held_out="" if held_out == dataset else held_out, **options)


def _show(command: Command) -> None:
    """Turns to the newest training, which is the one that now begins, and to the dataset that it holds out."""
    forms.open_form("train", False)
    view = url_state.current()
    same = command.subject == command.argv[1]
    url_state.write(view.choosing("dynamics.trainings", "") if same else View(dataset=command.subject))
