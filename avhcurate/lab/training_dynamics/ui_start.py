"""The form that starts a training, with defaults from the dataset."""

from functools import partial
from typing import Any

import streamlit as st

from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.ui.base import job_forms as forms
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.text import PAPER
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.datasets import DatasetFolder

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
Training shows how images are learnt: each held-out image is evaluated several times in the first epoch and after
every epoch. Its loss, confidence, margin, AVH and norm are kept. The curves then show what the paper ({PAPER}) says of
training, on your data; the map shows which images were learnt early, late or never.
"""


def first(page: Opened) -> None:
    """Show what the page is for, and the form, before there is a training or while the first one begins."""
    dataset = page.dataset
    settings = TrainSettings(dataset=dataset.name, model=usual_model(dataset))
    title = f"No training has evaluated {plain(dataset.name)} yet"
    forms.first_job(page, title, "timeline", _WHY, settings, form)
    forms.await_more(lambda: len(page.dataset.trainings()))


def usual_model(dataset: DatasetFolder) -> str:
    """Return the project's own network that scored the dataset or was trained on it last, else a small ResNet."""
    done = [run.record.model for run in dataset.runs()] + [training.record.model for training in dataset.trainings()]
    known = [model for model in done if model.startswith("avhcurate:")]
    return [MODELS[0], *known][-1]


def form(page: Opened) -> None:
    """Draw the options of a training and the button that starts it."""
    dataset = page.dataset
    others = forms.partners(page.workspace, dataset)
    known: dict[str, Any] = {"dataset": dataset.name}
    if others:
        known = {}
    then = partial(_show, dataset.name)
    with forms.job_form("train.", TrainSettings, then=then, **known) as fields:
        with in_a_row():
            fields.ask_model(forms.models(usual_model(dataset), usual=MODELS), width=230)
            fields.ask("loss", format_func=LOSS_NAMES.__getitem__, width=160)
            fields.ask("epochs", "seeds", width=110)
            if others:
                fields.ask("dataset", "held_out", widget=st.selectbox, options=[dataset.name, *others], width=180)
            fields.submit("Start training", "model_training")
        st.caption(
            "Learns from the split “train” and evaluates on the rest. Without such a split a tenth of each class is "
            "held out."
        )
        with st.expander("More"):
            with in_a_row():
                fields.ask("learning_rate", "drops", "batch_size", "precision", "device")
            with in_a_row():
                fields.ask("train_where", placeholder="such as hsf > 0.4", width=230)
                fields.ask("held_out_where", placeholder="such as split = 'val'", width=230)
                fields.ask("train_sample", width=190)
                fields.ask("pretrained")


def _show(shown: str, settings: TrainSettings) -> None:
    """Show the newest training, which now begins, on the dataset that it holds out."""
    view = url_state.current()
    if settings.subject == shown:
        url_state.write(view.choosing("dynamics.trainings", ""))
    else:
        url_state.write(View(dataset=settings.subject))
