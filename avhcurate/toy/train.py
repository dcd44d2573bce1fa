"""Trains the toy's small network in memory, one thread, and takes its angles and norms after every epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate import scores
from avhcurate.models.runtime import one_thread
from avhcurate.training.losses import AVHLoss

_BATCH = 64
_RATE, _MOMENTUM = 0.005, 0.9
_SCALE = 10.0


@dataclass(frozen=True)
class ToyRecipe:
    """How to train: hidden width, epochs, "softmax" or "avh" loss, and the seed of weights and order."""

    width: int = 64
    epochs: int = 40
    loss: str = "softmax"
    seed: int = 0


class Probe(NamedTuple):
    """Points (n, d) to evaluate at after each epoch, and the label (n,) whose AVH is taken at each."""

    points: np.ndarray
    labels: np.ndarray


class Seen(NamedTuple):
    """What a probe showed before the first epoch and after each, float32 (epochs + 1, n); predicted is int64."""

    avh: np.ndarray
    norm: np.ndarray
    loss: np.ndarray
    predicted: np.ndarray


class ToyNet(nn.Module):
    """Two hidden layers with ReLU, the second being the embedding, and a linear head without bias."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, classes, bias=False)

    def forward(self, points: Tensor) -> Tensor:
        """Embeddings (n, width) of points (n, inputs)."""
        embedded: Tensor = self.body(points)
        return embedded


def train_toy(
    points: np.ndarray, labels: np.ndarray, probes: list[Probe], recipe: ToyRecipe, *, classes: int
) -> list[Seen]:
    """Trains on points (n, d) with labels (n,) and returns what each probe showed over the epochs.

    Plain gradient descent with momentum on small batches; the same bits each time on one machine.
    """
    x, y = torch.from_numpy(points).float(), torch.from_numpy(labels)
    looked: list[list[Seen]] = [[] for _ in probes]
    with one_thread(seed=recipe.seed):
        net = ToyNet(points.shape[1], recipe.width, classes)
        to_logits = _logits(recipe.loss)
        moving = [(parameter, torch.zeros_like(parameter)) for parameter in net.parameters()]
        for epoch in range(recipe.epochs + 1):
            if epoch:
                _one_epoch(net, x, y, to_logits, moving)
            for found, probe in zip(looked, probes, strict=True):
                found.append(_look(net, probe, to_logits))
    return [Seen(*(np.stack(parts) for parts in zip(*found, strict=True))) for found in looked]


def _logits(loss: str) -> Callable[[Tensor, Tensor], Tensor]:
    return AVHLoss(scale=_SCALE).requires_grad_(False).logits if loss == "avh" else F.linear


def _one_epoch(
    net: ToyNet,
    x: Tensor,
    y: Tensor,
    to_logits: Callable[[Tensor, Tensor], Tensor],
    moving: list[tuple[nn.Parameter, Tensor]],
) -> None:
    """Steps by hand: importing torch.optim takes longer than the whole training."""
    for index in torch.randperm(len(x)).split(_BATCH):
        loss = F.cross_entropy(to_logits(net(x[index]), net.head.weight), y[index])
        gradients = torch.autograd.grad(loss, [parameter for parameter, _ in moving])
        with torch.no_grad():
            for (parameter, velocity), gradient in zip(moving, gradients, strict=True):
                velocity.mul_(_MOMENTUM).add_(gradient)
                parameter.sub_(velocity, alpha=_RATE)


@torch.no_grad()
def _look(net: ToyNet, probe: Probe, to_logits: Callable[[Tensor, Tensor], Tensor]) -> Seen:
    features, weights = net(torch.from_numpy(probe.points).float()), net.head.weight
    labels = torch.from_numpy(probe.labels)
    logits = to_logits(features, weights)
    parts = (
        scores.avh(features, weights, labels),
        scores.norm(features),
        F.cross_entropy(logits, labels, reduction="none"),
        logits.argmax(1),
    )
    return Seen(*(part.numpy() for part in parts))
