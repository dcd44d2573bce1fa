"""Verbs of the laboratory as methods of a dataset, which take the options of these verbs. Each is a job."""

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from avhcurate.notebook.dataset import Dataset


def train(self: "Dataset", model: str | None = None, **options: Any) -> pd.DataFrame:
    """Train a network as `avhcurate train` does, and return a row for each training, or for each run with folds."""
    from avhcurate.lab.training_dynamics.settings import TrainSettings
    from avhcurate.lab.training_dynamics.train import summary, train_seeds

    settings = self._settings(TrainSettings, model=model, **options)
    with self._job(settings) as progress:
        trained = train_seeds(self.workspace, settings, progress=progress)
    if settings.folds:
        return pd.DataFrame({"run": [run.name for run in trained]})
    return pd.DataFrame(map(summary, trained))


def self_train(self: "Dataset", source: str, **options: Any) -> dict[str, Any]:
    """Adapt a model to this dataset by its own pseudo-labels, as `avhcurate self-train` does; return its figures."""
    from avhcurate.lab.self_training.service import self_train_dataset, summary
    from avhcurate.lab.self_training.settings import SelfTrainSettings

    settings = SelfTrainSettings(source=source, target=self.name, **options)
    with self._job(settings) as progress:
        return summary(self_train_dataset(self.workspace, settings, progress=progress))


def degrade(self: "Dataset", **options: Any) -> pd.DataFrame:
    """Return how each score follows degradations of the images, as `avhcurate degrade` does."""
    from avhcurate.lab.degradation import service
    from avhcurate.lab.degradation.settings import DegradeSettings

    settings = self._settings(DegradeSettings, model=self._run_name(), **options)
    with self._job(settings) as progress:
        folder = service.degrade_dataset(self.workspace, settings, progress=progress)
    return service.read(self.opened.samples, folder).summary
