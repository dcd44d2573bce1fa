"""Evaluation during training: metrics of each of some samples, and running means over the samples trained on."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from avhcurate import scores
from avhcurate.training.distributed import ProcessGroup
from avhcurate.training.images import LabelledImages
from avhcurate.training.learner import Learner

#: Scores taken at each evaluation, beside `correct`.
KEYS = ("loss", "confidence", "margin", "avh", "norm", "el2n")


@dataclass(frozen=True)
class EvalSchedule:
    """When to evaluate: at positions in epochs (0 is before training), every so many epochs, and after the last."""

    early: tuple[float, ...] = ()
    every: int = 1

    def steps(self, epochs: int, steps_per_epoch: int) -> list[int]:
        """Numbers of steps made at each evaluation, ascending.

        >>> EvalSchedule(early=(0, 0.25, 0.5), every=2).steps(epochs=3, steps_per_epoch=8)
        [0, 2, 4, 16, 24]
        """
        total = epochs * steps_per_epoch
        steps = {round(position * steps_per_epoch) for position in self.early} | {total}
        steps |= set(range(self.every * steps_per_epoch, total + 1, self.every * steps_per_epoch))
        return sorted(step for step in steps if 0 <= step <= total)


EACH_EPOCH = EvalSchedule()


@torch.inference_mode()
def evaluate(learner: Learner, images: LabelledImages, device: torch.device) -> dict[str, np.ndarray]:
    """Columns `correct` and `KEYS` of every image, from the logits of the loss; the network is left in eval mode."""
    learner.eval()
    parts = []
    for index, batch in images.batches(device, learner.class_weights.dtype):
        features, logits = learner(batch)
        labels = images.labels_of(index).to(device)
        # A network that diverges has no output; the trainer says so by its loss.
        logits = logits.masked_fill(logits.isinf(), math.nan)
        values = scores.per_sample(features, learner.class_weights, logits, labels, keys=KEYS)
        correct = (values["predicted"] == labels).cpu().numpy()
        parts.append({"correct": correct} | {key: values[key].float().cpu().numpy() for key in KEYS})
    return {key: np.concatenate([part[key] for part in parts]) for key in ("correct", *KEYS)} if parts else {}


@torch.inference_mode()
def accuracy(module: nn.Module, images: LabelledImages) -> float:
    """Share of the images whose largest logit is their label's; for a module on the CPU, left in eval mode."""
    module.eval()
    kind, hits = next(module.parameters()).dtype, 0
    for index, batch in images.batches(torch.device("cpu"), kind):
        hits += int((module(batch).argmax(1) == images.labels_of(index)).sum())
    return hits / len(images)


@dataclass
class RunningMeans:
    """Loss and accuracy over the samples trained on since the last evaluation, as sums.

    `pending`: step, loss, hits and size of each batch, whose tensors may still lie on the device.
    """

    loss: float = 0.0
    right: float = 0.0
    samples: int = 0
    pending: list[tuple[int, Tensor, Tensor, int]] = field(default_factory=list)

    @property
    def means(self) -> tuple[float, float] | tuple[None, None]:
        """Loss and accuracy; None where there are no samples."""
        return (self.loss / self.samples, self.right / self.samples) if self.samples else (None, None)

    def settle(self, group: ProcessGroup) -> tuple[int, float] | None:
        """Fetches what is pending and adds it up; step and value of the first loss that is not finite, if any."""
        pending, self.pending = self.pending, []
        if not pending:
            return None
        steps, losses, right, sizes = zip(*pending, strict=True)
        values = torch.stack(losses).cpu().double()
        weights = torch.tensor(sizes, dtype=torch.float64)
        # In a group each loss is this process's sum over the whole batch's size, times the number of processes.
        sums = torch.stack([(values * weights).sum() / group.size, torch.stack(right).sum().cpu().double()])
        if group.size > 1:
            dist.all_reduce(sums)
        loss, hits = sums.tolist()
        if not math.isfinite(loss):
            bad = next((s for s, v in zip(steps, values.tolist(), strict=True) if not math.isfinite(v)), steps[-1])
            return bad, loss if len(steps) > 1 else values[0].item()
        self.loss += loss
        self.right += hits
        self.samples += sum(sizes)
        return None
