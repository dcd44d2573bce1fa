"""The exponential moving average of a network's weights during training."""

from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from avhcurate.training.learner import Learner


class WeightAverage:
    """The exponential moving average of a learner's weights and buffers."""

    def __init__(self, learner: Learner, decay: float) -> None:
        self._most, self._decay = decay, 0.0
        self.model = AveragedModel(learner, multi_avg_fn=self._mix, use_buffers=True)

    @property
    def learner(self) -> Learner:
        learner = self.model.module
        assert isinstance(learner, Learner)
        return learner

    def update(self, learner: Learner, step: int) -> None:
        """Takes in the weights after step number `step`; the first replace what they started from."""
        self._decay = min(self._most, (1 + step) / (10 + step))
        self.model.update_parameters(learner)

    @torch.no_grad()
    def _mix(self, average: Any, current: Any, _: Any) -> None:
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, 1 - self._decay)
        else:
            torch._foreach_copy_(average, current)
