"""Training of the toy's small network on one thread, with angles and norms after every epoch."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.measures import scores
from avhcurate.networks.models.runtime import one_thread
from avhcurate.networks.training.losses import AVHLoss

_BATCH = 64
_RATE, _MOMENTUM = 0.005, 0.9
_SCALE = 10.0


class EvalPoints(NamedTuple):
    """Points (n, d) to evaluate at after each epoch, and the label (n,) whose AVH is taken at each."""

    points: np.ndarray
    labels: np.ndarray


class EvalHistory(NamedTuple):
    """Values at the points before the first epoch and after each, float32 (epochs + 1, n); predicted is int64."""

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
        """Return embeddings (n, width) of points (n, inputs)."""
        embedded: Tensor = self.body(points)
        return embedded


def train_toy(
    points: np.ndarray,
    labels: np.ndarray,
    eval_points: Sequence[EvalPoints],
    *,
    classes: int,
    width: int,
    epochs: int,
    loss: str,
    seed: int,
) -> list[EvalHistory]:
    """Train on points (n, d) with labels (n,) and return the history at each set of `eval_points`.

    loss: "softmax" or "avh". Gradient descent with momentum on small batches; the same bits each time on one machine.
    """
    x, y = torch.from_numpy(points).float(), torch.from_numpy(labels)
    to_logits: Callable[..., Tensor] = F.linear
    if loss == "avh":
        to_logits = AVHLoss(scale=_SCALE).requires_grad_(False).logits
    evaluations: list[list[EvalHistory]] = []
    with one_thread(seed=seed):
        net = ToyNet(points.shape[1], width, classes)
        moving = [(parameter, torch.zeros_like(parameter)) for parameter in net.parameters()]
        for epoch in range(epochs + 1):
            if epoch:
                _one_epoch(net, x, y, to_logits, moving)
            evaluations.append([_evaluate(net, where, to_logits) for where in eval_points])
    return [EvalHistory(*map(np.stack, zip(*history, strict=True))) for history in zip(*evaluations, strict=True)]


def _one_epoch(
    net: ToyNet,
    x: Tensor,
    y: Tensor,
    to_logits: Callable[[Tensor, Tensor], Tensor],
    moving: list[tuple[nn.Parameter, Tensor]],
) -> None:
    """Step by hand: importing torch.optim takes longer than the whole training."""
    for index in torch.randperm(len(x)).split(_BATCH):
        loss = F.cross_entropy(to_logits(net(x[index]), net.head.weight), y[index])
        gradients = torch.autograd.grad(loss, [parameter for parameter, _ in moving])
        with torch.no_grad():
            for (parameter, velocity), gradient in zip(moving, gradients, strict=True):
                velocity.mul_(_MOMENTUM).add_(gradient)
                parameter.sub_(velocity, alpha=_RATE)


@torch.no_grad()
def _evaluate(net: ToyNet, where: EvalPoints, to_logits: Callable[[Tensor, Tensor], Tensor]) -> EvalHistory:
    """Return the values at the points as the network is now, (n,) each."""
    features, weights = net(torch.from_numpy(where.points).float()), net.head.weight
    labels = torch.from_numpy(where.labels)
    logits = to_logits(features, weights)
    values = (
        scores.avh(features, weights, labels),
        scores.norm(features),
        F.cross_entropy(logits, labels, reduction="none"),
        logits.argmax(1),
    )
    return EvalHistory(*(value.numpy() for value in values))
