"""Losses that ignore the length of x: cross-entropy on angles (the AVH loss) and on cosines."""

import math
from typing import Any

import array_api_compat.torch as xp
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from avhcurate.errors import CurateError
from avhcurate.measures.scores.angular import unit, unit_angles

#: Usual are 10 to 30; below 3 even a perfect network stays unsure and under-fits.
SCALE = 20.0


class DirectionalLoss(nn.Module):
    """Cross-entropy on `scale` times the closeness of an embedding's direction to each class's.

    `label_smoothing` and `reduction` are those of `torch.nn.functional.cross_entropy`. Raises CurateError for a scale
    that is not positive and finite.
    """

    def __init__(self, *, scale: float = SCALE, label_smoothing: float = 0.0, reduction: str = "mean") -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise CurateError(f"The scale of the loss must be positive and finite, not {scale}. Usual are 10 to 30.")
        self.scale = scale
        self.label_smoothing = label_smoothing
        self.reduction = reduction

    def closeness(self, features: Tensor, class_weights: Tensor) -> Tensor:
        """Return how close each embedding points to each class, (N, D), (K, D) -> (N, K)."""
        raise NotImplementedError

    def logits(self, features: Tensor, class_weights: Tensor) -> Tensor:
        """Return logits (N, K) of embeddings (N, D) for class weights (K, D), without a bias."""
        return self.scale * self.closeness(features, class_weights)

    def forward(self, features: Tensor, class_weights: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of embeddings (N, D) with labels (N,) int64; -1, for no label, does not count."""
        return F.cross_entropy(
            self.logits(features, class_weights),
            labels,
            ignore_index=-1,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}"


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
        """Return minus the angle."""
        return -angles(features, class_weights)


class CosineLoss(DirectionalLoss):
    """Cross-entropy on logits s cos(theta), the cosine softmax; its gradient fades as theta nears 0 or pi.

    >>> loss = CosineLoss(scale=2.0)
    >>> round(float(loss(torch.tensor([[1.0, 0.0]]), torch.eye(2), torch.tensor([0]))), 4)  # ln(1 + exp(-2))
    0.1269
    """

    def closeness(self, features: Tensor, class_weights: Tensor) -> Tensor:
        """Return the cosine, computed in float32 at least; 0 for a zero embedding."""
        kind = torch.promote_types(torch.promote_types(features.dtype, class_weights.dtype), torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(features.to(kind), dim=1) @ F.normalize(class_weights.to(kind), dim=1).T


#: Above this |cosine| the tangent between two directions is taken from their chord: the difference is then exact.
_STEEP = 0.9
#: Elements in one block of pairs whose tangent is taken: 16 MB in float32.
_BLOCK = 1 << 22


def angles(features: Tensor, class_weights: Tensor) -> Tensor:
    """Return the angle between every embedding and class weight vector: (N, D), (K, D) -> (N, K) radians in [0, pi].

    The values are those of `scores.angles`, except that a zero vector, which has no direction, is at pi / 2 to all
    others and has no gradient. A vector that is not finite gives NaN.

    Differentiable once. The gradient of an angle has length 1 / |x| and no part along x, also where that of the arc
    cosine fails. It is 0 where two directions coincide or are opposite. Half precision is computed in float32.

    >>> x = torch.tensor([[2.0, 0.0]], requires_grad=True)
    >>> angles(x, torch.tensor([[0.0, 3.0]])).backward()
    >>> x.grad
    tensor([[ 0.0000, -0.5000]])
    """
    kind = torch.promote_types(torch.promote_types(features.dtype, class_weights.dtype), torch.float32)
    theta: Tensor = _Angles.apply(features.to(kind), class_weights.to(kind))
    return theta


class _Angles(Function):
    """d theta / d u = -(w - cos(theta) u) / sin(theta) for unit u and w: minus the unit tangent at u towards w."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, class_weights: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            (u, u_length), (w, w_length) = _direction(features), _direction(class_weights)
            ctx.save_for_backward(u, u_length, w, w_length)
            theta: Tensor = unit_angles(xp, u, w)
        return theta

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        u, u_length, w, w_length = ctx.saved_tensors
        with torch.autocast(u.device.type, enabled=False):
            cosine = u @ w.T
            steep = cosine.abs() > _STEEP
            pull = torch.where(steep, 0, -grad / (1 - cosine.square()).clamp_min(1 - _STEEP**2).sqrt())
            pairs = steep.nonzero(as_tuple=True)
            for_x = _descend(pull, u, w, u_length, grad, pairs)
            for_w = _descend(pull.T, w, u, w_length, grad.T, pairs[::-1])
        return for_x, for_w


def _direction(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit rows, zero for a zero row and NaN for one that is not finite, and their lengths (R, 1)."""
    zero = (vectors == 0).all(1, keepdim=True)
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return torch.where(zero, 0, unit(xp, vectors)), length


def _descend(pull: Tensor, u: Tensor, w: Tensor, length: Tensor, grad: Tensor, pairs: tuple[Tensor, ...]) -> Tensor:
    """Return the gradient for vectors of directions `u` and lengths `length`; steep pairs are done by tangent."""
    total = pull @ w
    step = max(1, _BLOCK // max(1, u.shape[1]))
    for rows, columns in zip(pairs[0].split(step), pairs[1].split(step), strict=True):
        tangent = _tangent(u[rows], w[columns])
        total.index_add_(0, rows, -grad[rows, columns, None] * tangent)
    # The part along u is rounding, or what the ordinary pairs have not removed yet.
    total = total - (total * u).sum(1, keepdim=True) * u
    limits = torch.finfo(u.dtype)
    return total / length.clamp_min(limits.tiny / limits.eps) * (length > 0)


def _tangent(u: Tensor, w: Tensor) -> Tensor:
    """Return the unit tangent at u towards w for unit rows that are nearly parallel or opposite; 0 if exactly so."""
    chord = torch.where((u * w).sum(1, keepdim=True) > 0, w - u, w + u)
    # Rounding makes unit rows a little long or short, which matters for a tiny angle: a closed form fails here.
    tangent = chord - (chord * u).sum(1, keepdim=True) * u
    size = torch.linalg.vector_norm(tangent, dim=1, keepdim=True)
    return tangent / torch.where(size > 0, size, 1)
