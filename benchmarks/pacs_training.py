"""One training of domain generalisation on PACS: its network, recipe and objective, and what it ends with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from avhcurate.networks.models.own import AlexNetSmall, Cnn9
from avhcurate.networks.training.checkpoints import read_checkpoint
from avhcurate.networks.training.evaluation import evaluate
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.learner import TrainingObjective, make_learner
from avhcurate.networks.training.recipe import Recipe
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.disk.files import write_json
from avhcurate.workspace.disk.jobs import SILENT, Progress
from benchmarks.domain_generalisation import FeatureCritic, LearntRegulariser, Mldg, Regularised
from benchmarks.pacs_data import Pacs, Split, channel_statistics, split
from benchmarks.pacs_results import METHODS, Result, Settings

RESULT = "result.json"
NETWORKS: dict[str, type[Cnn9] | type[AlexNetSmall]] = {"cnn9": Cnn9, "alexnet": AlexNetSmall}
Made = TypeVar("Made", bound=nn.Module)


@dataclass(frozen=True)
class Task:
    """The training to make: the domain left out, method, constant (0 for none) and seed."""

    target: str
    method: str
    constant: float
    seed: int

    @property
    def name(self) -> str:
        constant = f"-{self.constant:g}" if METHODS[self.method].constant else ""
        return f"{self.target}-{self.method}{constant}-{self.seed}"

    def __str__(self) -> str:
        constant = f" {METHODS[self.method].constant} {self.constant:g}" if METHODS[self.method].constant else ""
        return f"{self.target} left out, {self.method}{constant}, seed {self.seed}"


@dataclass(frozen=True)
class Training:
    """The images (the source domains' without the tenth held out, normalised by their own statistics) with domains (N,)
    as numbers, and where checkpoints lie, None for nowhere.
    """

    task: Task
    settings: Settings
    images: LabelledImages
    domains: Tensor
    num_classes: int
    device: torch.device
    folder: Path | None = None
    progress: Progress = SILENT

    def run(self, epochs: int | None = None) -> nn.Module:
        """Return the network trained by the task's method."""
        network, objective = self.network(), None
        make = OBJECTIVES.get(self.task.method)
        if make is not None:
            objective = make(self, network.head.in_features, epochs)
        return self.fit(network, objective, "checkpoint.pt", epochs)

    def network(self) -> nn.Module:
        """Return the untrained network, the same for all methods that use it."""
        kind = NETWORKS[METHODS[self.task.method].network]
        return self.seeded(lambda: kind(self.num_classes, self.settings.width))

    def seeded(self, make: Callable[[], Made]) -> Made:
        """Return what `make` returns under the task's seed."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.task.seed)
            return make()

    def fit(
        self, network: nn.Module, objective: TrainingObjective | None, checkpoint: str, epochs: int | None
    ) -> nn.Module:
        """Train the network on all source domains at once, from its checkpoint if there is one."""
        settings, method = self.settings, METHODS[self.task.method]
        recipe = Recipe(
            epochs=epochs or settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.cnn9_rate if method.network == "cnn9" else settings.alexnet_rate,
            weight_decay=settings.weight_decay,
            clip=settings.clip,
            loss="avh" if method.constant == "scale" else "softmax",
            scale=self.task.constant or 1.0,
            precision=settings.precision,
            crop_padding=settings.size // 8,
            seed=self.task.seed,
        )
        path = self.folder / checkpoint if self.folder else None
        return train(
            network,
            self.images,
            recipe,
            objective=objective,
            device=self.device,
            checkpoint=path,
            progress=self.progress,
        )


def _mldg(training: Training, features: int, epochs: int | None) -> TrainingObjective:
    return Mldg(training.domains, step=training.task.constant)


def _metareg(training: Training, features: int, epochs: int | None) -> TrainingObjective:
    """Learn the penalty with a network that is then dropped, in as many steps as the final network makes."""
    sizes = {"features": features, "num_classes": training.num_classes}
    learnt = training.seeded(lambda: LearntRegulariser(training.domains, step=training.task.constant, **sizes))
    training.fit(training.network(), learnt, "regulariser.pt", epochs)
    return Regularised(learnt.weights.detach())


def _feature_critic(training: Training, features: int, epochs: int | None) -> TrainingObjective:
    return training.seeded(lambda: FeatureCritic(training.domains, step=training.task.constant, features=features))


#: What a method minimises where that is not the recipe's loss; given the training, the width of the embeddings and its
#: number of epochs.
OBJECTIVES: dict[str, Callable[[Training, int, int | None], TrainingObjective]] = {
    "mldg": _mldg,
    "metareg": _metareg,
    "feature-critic": _feature_critic,
}


def prepare(
    task: Task,
    pacs: Pacs,
    settings: Settings,
    device: torch.device,
    folder: Path | None = None,
    progress: Progress = SILENT,
    most: int | None = None,
) -> tuple[Training, LabelledImages, Split]:
    """The training on `most` of the images (None: all) of the source domains, all images normalised in the same way,
    and the parts that they fall into.
    """
    parts = split(pacs.domains, task.target, seed=task.seed)
    mean, std = channel_statistics(pacs.images, parts.train)
    images = LabelledImages(pacs.images, pacs.labels, mean, std)
    rows = parts.train if most is None else np.random.default_rng(0).permutation(parts.train)[:most]
    _, domains = np.unique(pacs.domains[rows], return_inverse=True)
    numbers = torch.from_numpy(domains)
    own = images.part(rows)
    return Training(task, settings, own, numbers, len(pacs.classes), device, folder, progress), images, parts


def train_one(
    task: Task, pacs: Pacs, settings: Settings, folder: Path, device: torch.device, progress: Progress = SILENT
) -> Result:
    """Train one network, from its checkpoint in `folder` if there is one, and write `result.json` there.

    Raises Cancelled when asked to stop; the next call then goes on, to the same bits on a CPU.
    """
    training, images, parts = prepare(task, pacs, settings, device, folder, progress)
    network = training.run()
    checkpoints = list(folder.glob("*.pt"))
    result = Result(
        **vars(task),
        target_accuracy=right(network, images.part(parts.target), device),
        inside_accuracy=right(network, images.part(parts.inside), device),
        trained=len(parts.train),
        held_out=len(parts.inside),
        tested=len(parts.target),
        seconds=sum(float((read_checkpoint(path) or {"seconds": 0})["seconds"]) for path in checkpoints),
        device=device.type,
        versions={name: version(name) for name in ("torch", "numpy")},
        finished=datetime.now(UTC),
    )
    write_json(folder / RESULT, result)
    for path in checkpoints:
        path.unlink()
    return result


def right(network: nn.Module, images: LabelledImages, device: torch.device) -> float:
    """Return the share of images whose largest logit is their label's."""
    learner = make_learner(network, images, Recipe(epochs=1)).to(device)
    return float(evaluate(learner, images, device)["correct"].mean())
