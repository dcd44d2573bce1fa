"""Loss and accuracy over the samples trained on since the last evaluation."""

import math
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from avhcurate.training.distributed import ProcessGroup


@dataclass
class RunningMeans:
    """Sums over samples; what is pending may still lie on the device: step, loss, hits and size of each batch."""

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
