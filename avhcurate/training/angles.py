"""Angles between embeddings and class weights to train through: their gradient is bounded and right everywhere."""

from typing import Any

import array_api_compat.torch as xp
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from avhcurate.scores.angular import unit, unit_angles

#: Above this |cosine| the tangent between two directions is taken from their chord: the difference is then exact.
_STEEP = 0.9
#: Elements in one block of pairs whose tangent is taken: 16 MB in float32.
_BLOCK = 1 << 22


def angles(features: Tensor, class_weights: Tensor) -> Tensor:
    """Angle between every embedding and every class weight vector: (N, D), (K, D) -> (N, K) radians in [0, pi].

    The values are those of `scores.angles`, but for a zero vector: it has no direction, so it counts as at pi / 2 to
    all others and takes and gives no gradient. One that is not finite gives NaN.

    Differentiable once. The gradient of an angle has length 1 / |x| and no part along x, also where that of the arc
    cosine breaks down; where two directions coincide or oppose each other, it is 0. Half precision and autocast are
    worked out in float32, float64 stays.

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
            for_x = _descend(pull, u, w, u_length, grad, pairs) if ctx.needs_input_grad[0] else None
            for_w = _descend(pull.T, w, u, w_length, grad.T, pairs[::-1]) if ctx.needs_input_grad[1] else None
        return for_x, for_w


def _direction(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Unit rows, zero for a zero row and NaN for one that is not finite, and their lengths (R, 1)."""
    zero = (vectors == 0).all(1, keepdim=True)
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return torch.where(zero, 0, unit(xp, vectors)), length


def _descend(pull: Tensor, u: Tensor, w: Tensor, length: Tensor, grad: Tensor, pairs: tuple[Tensor, ...]) -> Tensor:
    """Gradient for vectors of directions `u` and lengths `length`: ordinary pairs at once, steep ones by tangent."""
    total = pull @ w
    step = max(1, _BLOCK // max(1, u.shape[1]))
    for rows, columns in zip(pairs[0].split(step), pairs[1].split(step), strict=True):
        tangent = _tangent(u[rows], w[columns])
        total.index_add_(0, rows, -grad[rows, columns, None] * tangent)
    # What is left along u is rounding, or the part that the ordinary pairs have not taken out yet.
    total = total - (total * u).sum(1, keepdim=True) * u
    limits = torch.finfo(u.dtype)
    return total / length.clamp_min(limits.tiny / limits.eps) * (length > 0)


def _tangent(u: Tensor, w: Tensor) -> Tensor:
    """Unit tangent at u towards w for unit rows that are nearly parallel or opposite; 0 where they are exactly so."""
    chord = torch.where((u * w).sum(1, keepdim=True) > 0, w - u, w + u)
    # Rounding leaves unit rows a little long or short, which next to a tiny angle counts: hence no closed form here.
    tangent = chord - (chord * u).sum(1, keepdim=True) * u
    size = torch.linalg.vector_norm(tangent, dim=1, keepdim=True)
    return tangent / torch.where(size > 0, size, 1)
