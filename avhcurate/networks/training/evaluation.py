"""Evaluation during training: metrics of each of some samples, and running means over the samples trained on."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from avhcurate.measures import scores
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.learner import Learner

#: Scores of each evaluation, in addition to `correct`.
KEYS = ("loss", "confidence", "margin", "avh", "norm", "el2n")


@torch.inference_mode()
def evaluate(learner: Learner, images: LabelledImages, device: torch.device) -> dict[str, np.ndarray]:
    """Return `correct` and `KEYS` of every image, from the logits of the loss. The network ends in eval mode."""
    learner.eval()
    parts: dict[str, list[np.ndarray]] = {key: [] for key in ("correct", *KEYS)}
    for index, batch in images.batches(device, learner.class_weights.dtype):
        features, logits = learner(batch)
        labels = images.labels_of(index).to(device)
        # A network that diverges has no output; the trainer reports this from its loss.
        logits = logits.masked_fill(logits.isinf(), math.nan)
        values = scores.per_sample(features, learner.class_weights, logits, labels, keys=KEYS)
        parts["correct"].append((values["predicted"] == labels).cpu().numpy())
        for key in KEYS:
            parts[key].append(values[key].float().cpu().numpy())
    return {key: np.concatenate(columns) for key, columns in parts.items()}


@torch.inference_mode()
def embed(learner: Learner, images: LabelledImages, device: torch.device) -> np.ndarray:
    """Return the features (N, D) of every image, float32. The network ends in eval mode."""
    learner.eval()
    batches = images.batches(device, learner.class_weights.dtype)
    return np.concatenate([learner(batch)[0].float().cpu().numpy() for _, batch in batches])


@torch.inference_mode()
def accuracy(module: nn.Module, images: LabelledImages) -> float:
    """Return the share of the images whose largest logit is their label's, for a module on the CPU."""
    module.eval()
    dtype = next(module.parameters()).dtype
    hits = 0
    for index, batch in images.batches(torch.device("cpu"), dtype):
        hits += int((module(batch).argmax(1) == images.labels_of(index)).sum())
    return hits / len(images)


@dataclass
class RunningMeans:
    """Sums of loss and hits over the samples trained on since the last evaluation; they may lie on the device."""

    loss: float | Tensor = 0.0
    hits: float | Tensor = 0.0
    samples: int = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch, with its mean loss. Soft labels count as their largest class."""
        if labels.ndim == 2:
            labels = labels.argmax(1)
        self.loss = self.loss + loss.detach() * len(labels)
        self.hits = self.hits + (logits.detach().argmax(1) == labels).sum()
        self.samples += len(labels)

    def numbers(self) -> tuple[float, float, int]:
        """Return the sums as plain numbers, for a checkpoint."""
        return float(self.loss), float(self.hits), self.samples

    @property
    def means(self) -> tuple[float, float] | tuple[None, None]:
        """Loss and accuracy; None before the first sample."""
        if not self.samples:
            return None, None
        return float(self.loss) / self.samples, float(self.hits) / self.samples
