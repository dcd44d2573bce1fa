"""Looks at held-out samples while a network learns: correct, loss, confidence, margin, AVH, norm, EL2N of each."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from avhcurate import scores
from avhcurate.training.learner import Learner
from avhcurate.training.pictures import Pictures, normalise

#: Scores taken at each look, beside `correct`.
KEYS = ("loss", "confidence", "margin", "avh", "norm", "el2n")

#: Pixels a batch of a look holds at most, and images.
_PIXELS, _IMAGES = 256 * 64 * 64, 500


@dataclass(frozen=True)
class Looks:
    """When to look: at positions in epochs, 0 being before training, and after every so many epochs and the last."""

    early: tuple[float, ...] = ()
    every: int = 1

    def steps(self, epochs: int, steps_per_epoch: int) -> list[int]:
        """Numbers of steps made at each look, ascending.

        >>> Looks(early=(0, 0.25, 0.5), every=2).steps(epochs=3, steps_per_epoch=8)
        [0, 2, 4, 16, 24]
        """
        total = epochs * steps_per_epoch
        found = {round(position * steps_per_epoch) for position in self.early}
        found |= {epoch * steps_per_epoch for epoch in range(self.every, epochs + 1, self.every)} | {total}
        return sorted(step for step in found if 0 <= step <= total)


@dataclass(frozen=True)
class Look:
    """What one look came to.

    epoch: 0 before training, 0.25 within the first epoch; seconds: of training so far, looks not counted.
    train_loss, train_accuracy: means over the samples trained on since the last look, None before the first step.
    samples: columns (n,) of the held-out pictures in their order: correct (bool) and KEYS (float32); empty without.
    """

    epoch: float
    step: int
    seconds: float
    learning_rate: float
    train_loss: float | None
    train_accuracy: float | None
    samples: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        """Share of the held-out samples that are right."""
        return float(self.samples["correct"].mean()) if len(self.samples.get("correct", ())) else None


@torch.inference_mode()
def observe(learner: Learner, pictures: Pictures, device: torch.device) -> dict[str, np.ndarray]:
    """Columns of every picture; the network is left at rest. Logits are those of its loss."""
    learner.eval()
    mean, std = pictures.statistics(device, learner.class_weights.dtype)
    size = max(1, min(_IMAGES, _PIXELS // (pictures.shape[1] * pictures.shape[2])))
    parts = []
    for index in torch.arange(len(pictures)).split(size):
        features, logits = learner(normalise(pictures.take(index).to(device), mean, std))
        labels = pictures.labels_of(index).to(device)
        found = scores.per_sample(features, learner.class_weights, logits, labels, keys=KEYS)
        correct = (found["predicted"] == labels).cpu().numpy()
        parts.append({"correct": correct} | {key: found[key].float().cpu().numpy() for key in KEYS})
    return {key: np.concatenate([part[key] for part in parts]) for key in ("correct", *KEYS)} if parts else {}


@torch.inference_mode()
def accuracy(module: nn.Module, pictures: Pictures) -> float:
    """Share of the pictures whose largest logit is their label's; for a module on the CPU, which is left at rest."""
    module.eval()
    mean, std = pictures.statistics(torch.device("cpu"), next(module.parameters()).dtype)
    hits = 0
    for index in torch.arange(len(pictures)).split(_IMAGES):
        found = module(normalise(pictures.take(index), mean, std)).argmax(1)
        hits += int((found == pictures.labels_of(index)).sum())
    return hits / len(pictures)
