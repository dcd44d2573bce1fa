"""Losses on directions alone: cross-entropy on angles (the AVH loss) and on cosines; the length of x plays no part."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.training.angles import angles

#: Within the sane range of 10 to 30: below 3 even a perfect network stays unsure, and under-fits.
SCALE = 20.0


class DirectionalLoss(nn.Module):
    """Cross-entropy on `scale` times how close an embedding's direction is to each class's; see the two kinds below.

    `scale` > 0 is given, or with `learn_scale` where training starts: the parameter is its logarithm, so that it stays
    positive. `label_smoothing` and `reduction` are those of `torch.nn.functional.cross_entropy`.
    Raises CurateError for a scale that is not positive and finite.
    """

    def __init__(
        self,
        *,
        scale: float = SCALE,
        learn_scale: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise CurateError(f"the scale of the loss must be positive and finite, not {scale}: 10 to 30 is usual")
        self.label_smoothing, self.reduction = label_smoothing, reduction
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)), requires_grad=learn_scale)

    @property
    def scale(self) -> Tensor:
        """What the closeness is multiplied by, a scalar; in the graph where it is learnt."""
        return self.log_scale.exp()

    def closeness(self, features: Tensor, class_weights: Tensor) -> Tensor:
        """How close each embedding points to each class, (N, D), (K, D) -> (N, K)."""
        raise NotImplementedError

    def logits(self, features: Tensor, class_weights: Tensor) -> Tensor:
        """Logits (N, K) of embeddings (N, D) for class weights (K, D): there is no bias."""
        return self.scale * self.closeness(features, class_weights)

    def forward(self, features: Tensor, class_weights: Tensor, labels: Tensor) -> Tensor:
        """The loss of embeddings (N, D) with labels (N,) int64, -1 for none: those do not count."""
        return F.cross_entropy(
            self.logits(features, class_weights),
            labels,
            ignore_index=-1,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        learnt = ", learnt" if self.log_scale.requires_grad else ""
        return f"scale={float(self.scale):.4g}{learnt}"


class AVHLoss(DirectionalLoss):
    """Cross-entropy on logits -s theta, theta the angle to each class's weights (Chen et al. 2020, section 6).

    The paper prints exp(s (pi - theta_y)) / sum_k exp(s (pi - theta_k)) without the logarithm; the loss is minus its
    logarithm, from which pi cancels. The derivative of a logit by its angle is -s everywhere, so gradients stay alive
    for easy and for very hard samples. A zero embedding is at pi / 2 to every class: its loss is ln K.

    >>> loss = AVHLoss(scale=2.0)
    >>> round(float(loss(torch.tensor([[1.0, 0.0]]), torch.eye(2), torch.tensor([0]))), 4)  # ln(1 + exp(-pi))
    0.0423
    """

    def closeness(self, features: Tensor, class_weights: Tensor) -> Tensor:
        """Minus the angle."""
        return -angles(features, class_weights)


class CosineLoss(DirectionalLoss):
    """Cross-entropy on logits s cos(theta), the cosine softmax; its gradient fades as theta nears 0 or pi.

    >>> loss = CosineLoss(scale=2.0)
    >>> round(float(loss(torch.tensor([[1.0, 0.0]]), torch.eye(2), torch.tensor([0]))), 4)  # ln(1 + exp(-2))
    0.1269
    """

    def closeness(self, features: Tensor, class_weights: Tensor) -> Tensor:
        """The cosine, worked out in float32 at least; 0 for a zero embedding."""
        kind = torch.promote_types(torch.promote_types(features.dtype, class_weights.dtype), torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(features.to(kind), dim=1) @ F.normalize(class_weights.to(kind), dim=1).T
