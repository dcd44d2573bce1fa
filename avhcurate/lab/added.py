"""The pages of the laboratory, and the steps that fill them with the digits of the demo."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avhcurate.plugins import Page

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.workspace.disk.jobs import Progress

_COLUMN = "Training"
_PAGES = Path(__file__).with_name("pages")


def _train(space: "Workspace", progress: "Progress", loss: Any = "softmax") -> None:
    from avhcurate.datasets.sources.demo import MODEL, NAME
    from avhcurate.lab.training_dynamics.settings import TrainSettings
    from avhcurate.lab.training_dynamics.train import train_model

    train_model(space, TrainSettings(dataset=NAME, model=MODEL, loss=loss), progress=progress)


def _self_train(space: "Workspace", progress: "Progress") -> None:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.lab.self_training.service import self_train_dataset
    from avhcurate.lab.self_training.settings import SelfTrainSettings

    run = space.dataset(NAME).run().name
    settings = SelfTrainSettings(source=NAME, target=NAME, model=run, source_where="split = 'train'")
    self_train_dataset(space, settings.with_(rule="confidence"), progress=progress.part(0, 2, "confidence"))
    self_train_dataset(space, settings, progress=progress.part(1, 2, "avc"))


def _degrade(space: "Workspace", progress: "Progress") -> None:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.lab.degradation.service import degrade_dataset
    from avhcurate.lab.degradation.settings import DegradeSettings

    degrade_dataset(space, DegradeSettings(dataset=NAME), progress=progress)


TRAINING_DYNAMICS = Page(
    "Training dynamics",
    "timeline",
    "What does a network learn first?",
    _COLUMN,
    _PAGES / "training_dynamics.py",
    steps=[("Training with softmax", 11, _train), ("Training with the AVH loss", 11, partial(_train, loss="avh"))],
)
SELF_TRAINING = Page(
    "Self-training",
    "autorenew",
    "Does a network gain from its own labels?",
    _COLUMN,
    _PAGES / "self_training.py",
    steps=[("Self-training", 11, _self_train)],
)
DEGRADATION = Page(
    "Degradation",
    "blur_on",
    "Do the scores follow blur, noise and contrast?",
    _COLUMN,
    _PAGES / "degradation.py",
    steps=[("Degradation", 7, _degrade)],
)
TOY = Page(
    "Toy", "scatter_plot", "Which score finds what is known to be hard?", _COLUMN, _PAGES / "toy.py", filtered=False
)
