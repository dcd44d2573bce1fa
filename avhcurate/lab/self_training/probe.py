"""A probe: a head of one or two layers, trained on frozen features in seconds on a CPU, and self-trained."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pydantic.dataclasses
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.lab.self_training.domains import domains, paired_runs
from avhcurate.lab.self_training.loop import PseudoLabelled, TrainerSetup, seed_of_round
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.networks.models.runtime import one_thread
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import write_atomic
from avhcurate.workspace.disk.jobs import Progress

#: The file of a round's weights.
FILE = "head.safetensors"


@pydantic.dataclasses.dataclass(frozen=True)
class ProbeRecipe:
    """How a head is trained: its shape, and mini-batches by AdamW.

    hidden: width of the layer before the last; None for one linear layer on the features.
    relu: whether that layer ends with a ReLU, as in the paper; without it, angles may pass 90 degrees.
    epochs: passes over the samples; `steps`, where given, is the number of batches instead.
    learning_rate: falls to 0 along half a cosine.

    Raises ValueError for values that are out of range.
    """

    hidden: Annotated[int | None, Field(gt=0)] = 512
    relu: bool = True
    epochs: Annotated[int, Field(gt=0)] = 10
    steps: Annotated[int | None, Field(gt=0)] = None
    batch_size: Annotated[int, Field(gt=0)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class ProbeHead:
    """A trained head in float32: class_weights (K, d), bias (K,), and for two layers the first's (d, D) and (d,).

    Angles are taken at the input of the last layer, `embed`: the output of the hidden layer, after its ReLU, or the
    features.
    """

    class_weights: np.ndarray
    bias: np.ndarray
    hidden_weights: np.ndarray | None = None
    hidden_bias: np.ndarray | None = None
    relu: bool = True

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Return the input of the last layer: (N, D) -> (N, d) float32."""
        features = np.asarray(features, np.float32)
        if self.hidden_weights is None or self.hidden_bias is None:
            return features
        output = features @ self.hidden_weights.T + self.hidden_bias
        if self.relu:
            return np.maximum(output, 0)
        return output

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K) float32."""
        return self.embed(features) @ self.class_weights.T + self.bias

    def save(self, path: Path) -> None:
        """Write a safetensors file, complete or not at all."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        write_atomic(path, save(tensors | {"relu": np.array([self.relu])}))

    @classmethod
    def load(cls, path: Path) -> "ProbeHead":
        """Read what `save` wrote."""
        tensors = load_file(path)
        relu = bool(tensors.pop("relu")[0])
        return cls(**tensors, relu=relu)


class ProbeModule(nn.Module):
    """The head in training: a penalty may use `embed` and `last`."""

    def __init__(self, width: int, num_classes: int, *, hidden: int | None, relu: bool) -> None:
        super().__init__()
        self.embed = nn.Sequential()
        if hidden is not None:
            self.embed.append(nn.Linear(width, hidden))
        if hidden is not None and relu:
            self.embed.append(nn.ReLU())
        self.last = nn.Linear(hidden or width, num_classes)

    @property
    def first(self) -> nn.Linear:
        """The layer that reads the features."""
        return next(layer for layer in self.modules() if isinstance(layer, nn.Linear))

    def forward(self, features: Tensor) -> Tensor:
        """(n, D) -> logits (n, K)."""
        logits: Tensor = self.last(self.embed(features))
        return logits


class Penalty(nn.Module):
    """A term of the loss at each step; its own parameters are trained with the head's.

    Randomness comes from `torch.rand` and similar functions, only in `prepare` and `forward`: they use the seed.
    """

    def prepare(self, scale: float, module: ProbeModule) -> None:
        """Prepare for the first step: features are divided by `scale` before they enter the module."""
        raise NotImplementedError

    def forward(self, module: ProbeModule, batch: Tensor, goals: Tensor, progress: float) -> Tensor:
        """Return a scalar, for a batch (n, D) as the module gets it, its goals (n, K), and progress in [0, 1)."""
        raise NotImplementedError


def train_probe(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    num_classes: int,
    recipe: ProbeRecipe | None = None,
    seed: int = 0,
    start: ProbeHead | None = None,
    penalty: Penalty | None = None,
) -> ProbeHead:
    """Train a head on features (n, D) by cross-entropy; the same seed gives the same bits on a CPU.

    targets: labels (n,), or soft ones t (n, K): -sum_c t_c log p_c is minimised, so rows need not sum to 1. `start` is
    a head of the same shape to begin from. In training all features are divided by their root mean square, which the
    head contains afterwards: it reads plain features. One thread, which is the fastest for such sizes. Raises
    CurateError for values that do not fit.
    """
    recipe = recipe or ProbeRecipe()
    features = np.ascontiguousarray(features, np.float32)
    goals = _goals(features, np.asarray(targets), num_classes)
    scale = float(np.sqrt(np.mean(np.square(features, dtype=np.float64)))) or 1.0
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = ProbeModule(features.shape[1], num_classes, hidden=recipe.hidden, relu=recipe.relu)
        if start is not None:
            _load(module, start, scale)
        _fit(module, torch.from_numpy(features / scale), torch.from_numpy(goals), recipe, penalty, scale)
    return _read(module, scale, recipe.relu)


def _fit(
    module: ProbeModule, x: Tensor, goals: Tensor, recipe: ProbeRecipe, penalty: Penalty | None, scale: float
) -> None:
    parameters = list(module.parameters())
    if penalty is not None:
        penalty.prepare(scale, module)
        parameters += list(penalty.parameters())
    steps = recipe.steps or recipe.epochs * -(-len(x) // recipe.batch_size)
    optimizer = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    batches: list[Tensor] = []
    for step in range(steps):
        if not batches:
            batches = list(torch.randperm(len(x)).split(recipe.batch_size))
        rows = batches.pop(0)
        batch = x[rows]
        loss = -(goals[rows] * F.log_softmax(module(batch), dim=1)).sum(1).mean()
        if penalty is not None:
            loss = loss + penalty(module, batch, goals[rows], step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    if not all(bool(p.isfinite().all()) for p in module.parameters()):
        raise CurateError("The probe's weights are no longer finite. Lower the learning rate, or check the features.")


def _goals(features: np.ndarray, targets: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the target of each sample for each class, (n, K) float32."""
    if features.ndim != 2 or not len(features) or len(targets) != len(features):
        raise CurateError(f"Features {features.shape} and targets {targets.shape} must be of the same images.")
    if targets.shape == (len(features), num_classes):
        return np.asarray(targets, np.float32)
    if targets.ndim != 1 or not np.isin(targets, range(num_classes)).all():
        raise CurateError(
            f"Targets must be labels from 0 to {num_classes - 1}, or have the shape (images, {num_classes}). "
            "Leave out images without a label."
        )
    return np.eye(num_classes, dtype=np.float32)[targets]


def _load(module: ProbeModule, start: ProbeHead, scale: float) -> None:
    """Put a head into the module, whose inputs are divided by `scale`."""
    arrays = (start.hidden_weights, start.hidden_bias, start.class_weights, start.bias)
    tensors = [torch.tensor(array) for array in arrays if array is not None]
    try:
        module.load_state_dict(dict(zip(module.state_dict(), tensors, strict=True)))
    except (RuntimeError, ValueError):
        raise CurateError("The head to start from has another shape than the recipe.") from None
    module.first.weight.data *= scale


def _read(module: ProbeModule, scale: float, relu: bool) -> ProbeHead:
    """Return the head that reads plain features."""
    module.first.weight.data /= scale
    values = {name: value.detach().numpy().copy() for name, value in module.named_parameters()}
    return ProbeHead(
        class_weights=values["last.weight"],
        bias=values["last.bias"],
        hidden_weights=values.get("embed.0.weight"),
        hidden_bias=values.get("embed.0.bias"),
        relu=relu,
    )


# --- self-training -----------------------------------------------------------------------------------------------


@dataclass
class ProbeTrainer:
    """Trains a head on features (n, D) and labels (n,) of the source, and on selected features of the target (N, D).

    Angles are taken at the input of the head's last layer.
    """

    source: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    _: KW_ONLY
    num_classes: int
    recipe: ProbeRecipe
    seed: int
    head: ProbeHead | None = None

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """See `self_training.loop.Trainer`."""
        features = self.source
        goals = np.eye(self.num_classes, dtype=np.float32)[self.labels]
        if pseudo is not None:
            features = np.concatenate([features, self.target[pseudo.rows]])
            goals = np.concatenate([goals, pseudo.targets])
        self.head = train_probe(
            features,
            goals,
            num_classes=self.num_classes,
            recipe=self.recipe,
            seed=seed_of_round(self.seed, round),
            start=self.head,
        )

    def outputs(self) -> ModelOutputs:
        """See `self_training.loop.Trainer`."""
        assert self.head is not None
        return ModelOutputs(self.target, self.head.class_weights, self.head.bias, embed=self.head.embed)

    def save(self, folder: Path) -> None:
        """Write `head.safetensors`."""
        assert self.head is not None
        self.head.save(folder / FILE)

    def restore(self, folder: Path) -> None:
        """Load that file."""
        self.head = ProbeHead.load(folder / FILE)


def set_up(
    workspace: Workspace, settings: SelfTrainSettings, recipe: ProbeRecipe | None, progress: Progress
) -> TrainerSetup:
    """Prepare a head on the features of two runs, which are scored first where they are missing."""
    runs = paired_runs(workspace, settings, progress)
    source, target = domains(workspace, settings, runs)
    rate = settings.learning_rate or ProbeRecipe.learning_rate
    recipe = recipe or ProbeRecipe(epochs=settings.epochs, learning_rate=rate)
    names = ("model", "weights_sha256", "weights_source", "head", "preprocess", "code", "device", "precision")
    details = {
        "source_run": runs[0].name,
        "target_run": runs[1].name,
        "trainer": "probe",
        "recipe": vars(recipe),
        **runs[1].record.model_dump(include={*names}),
    }

    def make_trainer(_: SelfTrainingFolder) -> ProbeTrainer:
        return ProbeTrainer(
            runs[0].features_of(source.ids),
            source.labels,
            runs[1].features_of(target.ids),
            num_classes=len(source.dataset.record.classes),
            recipe=recipe,
            seed=settings.seed,
        )

    return TrainerSetup(source, target, details, make_trainer)
