"""Training of the toy's small network on one thread, with angles and norms after every epoch."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.lab.toy.settings import ToySettings
from avhcurate.measures import scores
from avhcurate.networks.models.runtime import one_thread
from avhcurate.networks.training.losses import AVHLoss

_BATCH = 64
#: Units of each hidden layer.
WIDTH = 64
_RATE = 0.005
_MOMENTUM = 0.9
_SCALE = 10.0


class EvalHistory(NamedTuple):
    """Values at the points before the first epoch and after each, float32 (epochs + 1, n); predicted is int64."""

    avh: np.ndarray
    norm: np.ndarray
    loss: np.ndarray
    predicted: np.ndarray


def train_toy(
    points: np.ndarray,
    labels: np.ndarray,
    eval_points: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: ToySettings,
) -> list[EvalHistory]:
    """Train on points (n, d) with labels (n,) and return the history at each set of `eval_points`.

    A set is points (n, d) and the label (n,) whose AVH is taken at each. Gradient descent with momentum on small
    batches; the same bits each time on one machine.
    """
    x = torch.from_numpy(points).float()
    y = torch.from_numpy(labels)
    to_logits: Callable[..., Tensor] = F.linear
    if settings.loss == "avh":
        to_logits = AVHLoss(scale=_SCALE).requires_grad_(False).logits
    evaluations: list[list[EvalHistory]] = []
    with one_thread(seed=settings.seed):
        # Two hidden layers, the second being the embedding, and a linear head without bias.
        first = nn.Linear(points.shape[1], WIDTH)
        second = nn.Linear(WIDTH, WIDTH)
        body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
        head = nn.Linear(WIDTH, settings.classes, bias=False).weight
        moving = [(parameter, torch.zeros_like(parameter)) for parameter in (*body.parameters(), head)]
        for epoch in range(settings.epochs + 1):
            if epoch:
                for index in torch.randperm(len(x)).split(_BATCH):
                    _step(F.cross_entropy(to_logits(body(x[index]), head), y[index]), moving)
            evaluations.append([_evaluate(body, head, *where, to_logits) for where in eval_points])
    return [EvalHistory(*map(np.stack, zip(*history, strict=True))) for history in zip(*evaluations, strict=True)]


def _step(loss: Tensor, moving: list[tuple[Tensor, Tensor]]) -> None:
    """Step by hand: importing torch.optim takes longer than the whole training."""
    gradients = torch.autograd.grad(loss, [parameter for parameter, _ in moving])
    with torch.no_grad():
        for (parameter, velocity), gradient in zip(moving, gradients, strict=True):
            velocity.mul_(_MOMENTUM).add_(gradient)
            parameter.sub_(velocity, alpha=_RATE)


@torch.no_grad()
def _evaluate(
    body: nn.Module, head: Tensor, points: np.ndarray, labels: np.ndarray, to_logits: Callable[..., Tensor]
) -> EvalHistory:
    """Return the values at the points as the network is now, (n,) each."""
    features = body(torch.from_numpy(points).float())
    classes = torch.from_numpy(labels)
    logits = to_logits(features, head)
    return EvalHistory(
        avh=scores.avh(features, head, classes).numpy(),
        norm=scores.norm(features).numpy(),
        loss=F.cross_entropy(logits, classes, reduction="none").numpy(),
        predicted=logits.argmax(1).numpy(),
    )
