"""A probe: a head of one or two layers, trained on frozen features in seconds on a CPU."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from avhcurate.disk.files import write_atomic
from avhcurate.errors import CurateError
from avhcurate.models.runtime import one_thread


@dataclass(frozen=True)
class ProbeRecipe:
    """How a head is trained: its shape, and mini-batches by AdamW, each epoch in an order of its own.

    hidden: width of the layer before the last; None for one linear layer on the features.
    relu: whether that layer ends with a ReLU, as the paper's does; without it, angles may pass 90 degrees.
    epochs: passes over the samples; `steps`, where given, is the number of batches instead, whatever the samples.
    learning_rate: falls to 0 by half a cosine.
    """

    hidden: int | None = 512
    relu: bool = True
    epochs: int = 10
    steps: int | None = None
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        wrong = [
            name
            for name in ("hidden", "epochs", "steps", "batch_size", "learning_rate")
            if (value := getattr(self, name)) is not None and value <= 0
        ]
        if wrong or self.weight_decay < 0:
            raise CurateError(f"the probe's {', '.join(wrong) or 'weight_decay'} must be above 0: see ProbeRecipe")


#: The tensors of a head, and the parameters of `ProbeModule` that they are.
_PARAMETERS = {
    "class_weights": "last.weight",
    "bias": "last.bias",
    "hidden_weights": "embed.0.weight",
    "hidden_bias": "embed.0.bias",
}


@dataclass(frozen=True)
class ProbeHead:
    """A trained head in float32: class_weights (K, d), bias (K,), and where it has two layers the first's (d, D), (d,).

    Angles are taken at what goes into the last layer, `embed`: the hidden layer's output, after its ReLU if it has
    one, or the features themselves.
    """

    class_weights: np.ndarray
    bias: np.ndarray
    hidden_weights: np.ndarray | None = None
    hidden_bias: np.ndarray | None = None
    relu: bool = True

    def embed(self, features: np.ndarray) -> np.ndarray:
        """The input of the last layer: (N, D) -> (N, d) float32."""
        features = np.asarray(features, np.float32)
        if self.hidden_weights is None or self.hidden_bias is None:
            return features
        output = features @ self.hidden_weights.T + self.hidden_bias
        return np.maximum(output, 0) if self.relu else output

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K) float32."""
        return self.embed(features) @ self.class_weights.T + self.bias

    def save(self, path: Path) -> None:
        """Writes a safetensors file, whole or not at all."""
        write_atomic(path, save(self.tensors() | {"relu": np.array([self.relu])}))

    def tensors(self) -> dict[str, np.ndarray]:
        """Its weights and biases by name."""
        return {name: value for name in _PARAMETERS if (value := getattr(self, name)) is not None}

    @classmethod
    def load(cls, path: Path) -> "ProbeHead":
        """What `save` wrote."""
        tensors = load_file(path)
        return cls(**(tensors | {"relu": bool(tensors["relu"][0])}))  # type: ignore[arg-type]


class ProbeModule(nn.Module):
    """The head while it is trained: a penalty may use `embed` and `last`."""

    def __init__(self, width: int, num_classes: int, *, hidden: int | None, relu: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if hidden is not None:
            layers = [nn.Linear(width, hidden), *([nn.ReLU()] if relu else [])]
        self.embed = nn.Sequential(*layers)
        self.last = nn.Linear(hidden or width, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        """(n, D) -> logits (n, K)."""
        logits: Tensor = self.last(self.embed(features))
        return logits


class Penalty(nn.Module):
    """What is added to the loss at each step; its own parameters are trained along with the head's.

    Chance comes from `torch.rand` and its like, in `prepare` and `forward` alone: those run under the probe's seed.
    """

    def prepare(self, scale: float, module: ProbeModule) -> None:
        """Called once before the first step: features go into the module divided by `scale`."""
        raise NotImplementedError

    def forward(self, module: ProbeModule, batch: Tensor, goals: Tensor, progress: float) -> Tensor:
        """A scalar, of a batch (n, D) as the module takes it, its goals (n, K), and progress in [0, 1)."""
        raise NotImplementedError


def train_probe(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    num_classes: int,
    recipe: ProbeRecipe | None = None,
    seed: int = 0,
    weights: np.ndarray | None = None,
    start: ProbeHead | None = None,
    penalty: Penalty | None = None,
) -> ProbeHead:
    """Trains a head on features (n, D) by cross-entropy; the same seed gives the same bits on a CPU.

    targets: labels (n,), or what each sample asks of each class (n, K): -sum_c t_c log p_c is minimised, so that rows
    need not sum to 1. weights: of the samples (n,), 1 where not given. `start` goes on from a head of the same shape.
    All features are divided by their root mean square while the head is trained, which the head then contains: it
    reads plain features, and one number for all turns no angle. One thread, which for such sizes is the fastest.
    Raises CurateError for shapes and numbers that do not fit.
    """
    recipe = recipe or ProbeRecipe()
    features = np.ascontiguousarray(features, np.float32)
    goals = _goals(features, targets, num_classes) * _weights(features, weights)[:, None]
    scale = float(np.sqrt(np.mean(np.square(features, dtype=np.float64)))) or 1.0
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = ProbeModule(features.shape[1], num_classes, hidden=recipe.hidden, relu=recipe.relu)
        if start is not None:
            _load(module, start, scale)
        _fit(module, torch.from_numpy(features / scale), torch.from_numpy(goals), recipe, penalty, scale)
    return _read(module, recipe, scale)


def _fit(
    module: ProbeModule, x: Tensor, goals: Tensor, recipe: ProbeRecipe, penalty: Penalty | None, scale: float
) -> None:
    parameters = list(module.parameters())
    if penalty is not None:
        penalty.prepare(scale, module)
        parameters += list(penalty.parameters())
    steps = recipe.steps or recipe.epochs * -(-len(x) // recipe.batch_size)
    optimiser = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step, rows in zip(range(steps), _batches(len(x), recipe.batch_size), strict=False):
        batch = x[rows]
        loss = -(goals[rows] * F.log_softmax(module(batch), dim=1)).sum(1).mean()
        if penalty is not None:
            loss = loss + penalty(module, batch, goals[rows], step / steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    if not all(bool(p.isfinite().all()) for p in module.parameters()):
        raise CurateError("the probe's weights are no longer finite: lower learning_rate, or check the features")


def _batches(samples: int, size: int) -> Iterator[Tensor]:
    """Row numbers, endlessly; each sample once in an epoch."""
    while True:
        yield from torch.randperm(samples).split(size)


def _goals(features: np.ndarray, targets: np.ndarray, num_classes: int) -> np.ndarray:
    """What each sample asks of each class, (n, K) float32."""
    targets = np.asarray(targets)
    if features.ndim != 2 or not len(features) or len(targets) != len(features):
        raise CurateError(f"features {features.shape} and targets {targets.shape} must be of the same samples, some")
    if targets.ndim == 2 and targets.shape[1] == num_classes:
        return np.asarray(targets, np.float32)
    if targets.ndim != 1 or targets.dtype.kind not in "iu" or targets.min() < 0 or targets.max() >= num_classes:
        raise CurateError(
            f"targets must be labels from 0 to {num_classes - 1} or of the shape (samples, {num_classes}): "
            "leave out samples without a label"
        )
    return np.eye(num_classes, dtype=np.float32)[targets]


def _weights(features: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    if weights is None:
        return np.ones(len(features), np.float32)
    weights = np.asarray(weights, np.float32)
    if weights.shape != (len(features),) or not (weights >= 0).all():
        raise CurateError(f"weights must be {len(features)} numbers of 0 or more, one a sample")
    return weights


def _load(module: ProbeModule, start: ProbeHead, scale: float) -> None:
    """Puts a head into the module, whose inputs are divided by `scale`."""
    tensors = {_PARAMETERS[name]: value for name, value in start.tensors().items()}
    first = "last.weight" if start.hidden_weights is None else "embed.0.weight"
    tensors[first] = tensors[first] * np.float32(scale)
    try:
        module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
    except RuntimeError:
        raise CurateError("the head to go on from has another shape than the recipe asks for") from None


def _read(module: ProbeModule, recipe: ProbeRecipe, scale: float) -> ProbeHead:
    values = {name: value.detach().numpy().copy() for name, value in module.named_parameters()}
    first = "last.weight" if recipe.hidden is None else "embed.0.weight"
    values[first] /= np.float32(scale)
    tensors: dict[str, Any] = {name: values.get(parameter) for name, parameter in _PARAMETERS.items()}
    return ProbeHead(**tensors, relu=recipe.relu)
