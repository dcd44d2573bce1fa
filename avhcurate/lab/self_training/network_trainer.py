"""Self-training of a whole network on images, each round with a checkpoint."""

import hashlib
from collections.abc import Callable
from dataclasses import KW_ONLY, asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from avhcurate.datasets.table.subset_images import decode_images, image_caches, readable_images
from avhcurate.errors import CurateError, Option
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.lab.self_training.domains import domains
from avhcurate.lab.self_training.loop import PseudoLabelled, TrainerSetup, seed_of_round
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.networks.models.loading import ModelSpec, find_architecture, new_model
from avhcurate.networks.models.runtime import find_device, products_on
from avhcurate.networks.models.weights import load_weights, read_weights
from avhcurate.networks.training.checkpoints import save_weights
from avhcurate.networks.training.evaluation import embed
from avhcurate.networks.training.images import LabelledImages, Stacked
from avhcurate.networks.training.learner import make_learner
from avhcurate.networks.training.recipe import Recipe, as_numbers
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress

#: The file of a round's weights.
FILE = "weights.safetensors"

#: Peak learning rate of a round.
RATE = 0.01
_CPU = torch.device("cpu")


@dataclass
class FullTrainer:
    """Trains `module` in place on the source's images and selected ones of the target, whose labels are not used.

    `recipe` is that of every round, except its seed, which depends on the round's number. `checkpoints`: the folder of
    the checkpoint of a round in progress, from which it resumes. `progress` returns that of a round's training by the
    round's number.
    """

    module: nn.Module
    source: LabelledImages
    target: LabelledImages
    _: KW_ONLY
    num_classes: int
    recipe: Recipe
    checkpoints: Path
    head: str | None = None
    device: torch.device = _CPU
    progress: Callable[[int], Progress] = lambda _: SILENT

    def __post_init__(self) -> None:
        self.target = replace(self.target, labels=np.full(len(self.target), -1))

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """See `self_training.loop.Trainer`."""
        data = self.source
        digest = ""
        if pseudo is not None:
            data = self._with(pseudo)
            digest = _digest(pseudo)
        checkpoint = self.checkpoints / f"round-{round:02d}{digest}.pt"
        for old in self.checkpoints.glob("round-*.pt"):
            if old != checkpoint:
                old.unlink()
        train(
            self.module,
            data,
            replace(self.recipe, seed=seed_of_round(self.recipe.seed, round)),
            head=self.head,
            device=self.device,
            progress=self.progress(round),
            checkpoint=checkpoint,
        )

    def outputs(self) -> ModelOutputs:
        """See `self_training.loop.Trainer`; in float32."""
        learner = make_learner(self.module, self.target, self.recipe, head=self.head)
        learner.to(self.device)
        with products_on(self.device, "float32"):
            features = embed(learner, self.target, self.device)
        learner.hook.remove()
        self.module.to("cpu")
        weights, bias = learner.numbers()
        return ModelOutputs(features, weights.copy(), bias.copy())

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors`."""
        save_weights(self.module, folder / FILE)

    def restore(self, folder: Path) -> None:
        """Load that file."""
        load_weights(self.module, read_weights(folder / FILE).tensors, source=str(folder / FILE))

    def _with(self, pseudo: PseudoLabelled) -> LabelledImages:
        """Return the source and the selected images, with soft labels."""
        hard = F.one_hot(torch.as_tensor(self.source.labels).long(), self.num_classes).float()
        goals = torch.cat([hard, torch.from_numpy(pseudo.targets)])
        images = Stacked(self.source, self.target.part(pseudo.rows))
        return LabelledImages(images, goals, self.source.mean, self.source.std)


def _digest(pseudo: PseudoLabelled) -> str:
    """Identify what a round trains on: on a GPU a selection may differ when a run resumes after a kill."""
    content = np.stack([pseudo.rows, pseudo.targets.argmax(axis=1)])
    return f"-{hashlib.sha256(content.tobytes()).hexdigest()[:8]}"


def set_up(
    workspace: Workspace, settings: SelfTrainSettings, recipe: Recipe | None, progress: Progress
) -> TrainerSetup:
    """Prepare the whole network, and decode the images."""
    if settings.model is None:
        raise CurateError("No network is given.", fix=f"To train the whole network, use {Option('model')}")
    subsets = domains(workspace, settings)
    spec = ModelSpec(name=settings.model, weights=settings.weights, seed=settings.seed)  # type: ignore[arg-type]
    pretrained = spec.weights is None and find_architecture(spec.model).published is not None
    classes = len(subsets[0].dataset.record.classes)
    model = new_model(spec, classes, pretrained=pretrained)
    recipe = recipe or Recipe(epochs=settings.epochs, learning_rate=settings.learning_rate or RATE)
    recipe = replace(recipe, seed=settings.seed).for_images(model.preprocess.channels, model.preprocess.crop)
    caches = image_caches(workspace, subsets, model.preprocess)
    decode_images(subsets, caches, progress)
    (source, source_images), (target, target_images) = map(readable_images, subsets, caches)
    device = find_device(settings.device)
    rounds = settings.most_rounds

    def make_trainer(folder: SelfTrainingFolder) -> FullTrainer:
        return FullTrainer(
            model.module,
            source_images,
            target_images,
            num_classes=classes,
            recipe=recipe,
            checkpoints=folder.root,
            head=model.head_name,
            device=device,
            progress=lambda number: progress.part(number, rounds + 1, f"round {number} of {rounds}"),
        )

    numbers = as_numbers(recipe)
    del numbers["seed"]
    details = {
        "model": settings.model,
        "weights_sha256": model.weights_sha256,
        "weights_source": model.source,
        "head": model.head_name,
        "preprocess": asdict(model.preprocess),
        "code": model.code,
        "trainer": "full",
        "recipe": numbers,
        "device": str(device),
        "precision": recipe.precision,
    }
    return TrainerSetup(source, target, details, make_trainer)
