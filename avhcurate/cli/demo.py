"""`avhcurate demo`: the embedded digits, and with `--full` what every page shows of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from avhcurate.cli import options
from avhcurate.datasets.sources.settings import DemoSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.datasets import DatasetFolder
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.workspace.disk.jobs import Progress


@options.verb(DemoSettings)
def demo(settings: DemoSettings, space: "Workspace") -> None:
    from avhcurate.datasets.sources.demo import prepare_demo
    from avhcurate.datasets.table.logs import open_response_log
    from avhcurate.workspace.data import background

    following = [["serve"], ["demo", "--full"], ["correlate", "digits"], ["disagree", "digits"]]
    with background.job(space.root, settings) as progress:
        if settings.full:
            del following[1]
            folder = fill_pages(space, progress)
        else:
            folder = prepare_demo(space, progress=progress)
    open_response_log(space)
    options.print_dataset(folder)
    print()
    options.print_next(following)


#: What a step does; each does nothing where it is done already, and resumes where it was cut short.
Step = Callable[["Workspace", "Progress"], object]


def fill_pages(space: "Workspace", progress: "Progress") -> "DatasetFolder":
    """Every step of the full demo in turn; `progress` counts percents of them. Returns the dataset.

    Quality comes first, since trainings tell copies of what they hold out by it, and then the trainings: pages show the
    newest run, and the map and the suspects are to be of that one.
    """
    from avhcurate.datasets.sources.demo import NAME

    for number, (title, step) in enumerate(STEPS.items()):

        def tell(done: int, total: int, message: str, number: int = number, title: str = title) -> None:
            share = min(done / max(total, 1), 1.0)
            progress.report(int(100 * (number + share)), 100 * len(STEPS), f"{title}: {message}".removesuffix(": "))

        tell(0, 1, "")
        progress.check()
        step(space, progress.through(tell))
    progress.report(100 * len(STEPS), 100 * len(STEPS), "all steps are done")
    return space.dataset(NAME)


# --- the steps, each with the settings that its page starts with -------------------------------------------------


def _prepare(space: "Workspace", progress: "Progress") -> object:
    from avhcurate.datasets.sources.demo import prepare_demo

    return prepare_demo(space, progress=progress)


def _train(space: "Workspace", progress: "Progress", *, loss: Literal["softmax", "avh"]) -> object:
    from avhcurate.datasets.sources.demo import MODEL, NAME
    from avhcurate.features.training_dynamics.settings import TrainSettings
    from avhcurate.features.training_dynamics.train import train_model

    return train_model(space, TrainSettings(dataset=NAME, model=MODEL, loss=loss), progress=progress)


def _self_train(space: "Workspace", progress: "Progress") -> object:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.features.self_training.service import self_train_dataset
    from avhcurate.features.self_training.settings import SelfTrainSettings

    settings = SelfTrainSettings(
        source=NAME, target=NAME, model=space.dataset(NAME).run().name, source_where="split = 'train'"
    )
    self_train_dataset(space, settings.with_(rule="confidence"), progress=progress.part(0, 2, "confidence"))
    return self_train_dataset(space, settings, progress=progress.part(1, 2, "avc"))


def _project(space: "Workspace", progress: "Progress") -> object:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.features.map.service import project_dataset
    from avhcurate.features.map.settings import ProjectSettings

    return project_dataset(space, ProjectSettings(dataset=NAME), progress=progress)


def _suspect(space: "Workspace", progress: "Progress") -> object:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.suspects.service import find_suspects
    from avhcurate.features.suspects.settings import SuspectsSettings

    return find_suspects(open_table(space, NAME), SuspectsSettings(dataset=NAME), progress=progress)


def _predict(space: "Workspace", progress: "Progress") -> object:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.predicted_hsf.service import predict_hsf

    return predict_hsf(open_table(space, NAME), progress=progress)


def _measure(space: "Workspace", progress: "Progress") -> object:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.features.quality.service import measure_dataset

    return measure_dataset(space, NAME, progress=progress)


def _degrade(space: "Workspace", progress: "Progress") -> object:
    from avhcurate.datasets.sources.demo import NAME
    from avhcurate.features.degradation.service import degrade_dataset
    from avhcurate.features.degradation.settings import DegradeSettings

    return degrade_dataset(space, DegradeSettings(dataset=NAME), progress=progress)


#: In their order, by what they say of themselves.
STEPS: dict[str, Step] = {
    "Digits": _prepare,
    "Quality": _measure,
    "Training with softmax": lambda space, progress: _train(space, progress, loss="softmax"),
    "Training with the AVH loss": lambda space, progress: _train(space, progress, loss="avh"),
    "Suspects": _suspect,
    "Predicted HSF": _predict,
    "Degradation": _degrade,
    "Self-training": _self_train,
    "Map": _project,
}
