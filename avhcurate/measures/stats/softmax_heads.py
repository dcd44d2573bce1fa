"""Linear softmax heads of few features for several sets of labels at once, each fit from where another one ended."""

from dataclasses import dataclass

import numpy as np

#: The penalty of the bias, which keeps the step defined without samples of a class.
_BIAS_PENALTY = 1e-3


@dataclass(frozen=True)
class SoftmaxHeads:
    """B heads: weights (D + 1, B, K), float32, whose last row is the bias, on features less their mean (D,)."""

    weights: np.ndarray
    mean: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return (n, B, K) of features (n, D)."""
        width, heads, classes = self.weights.shape
        flat = self.weights.reshape(width, heads * classes)
        return ((features - self.mean) @ flat[:-1] + flat[-1]).reshape(len(features), heads, classes)


def fit_softmax_heads(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    *,
    penalty: float,
    start: np.ndarray | None = None,
    steps: int = 60,
) -> SoftmaxHeads:
    """Return heads of features (n, D) for labels (B, n), -1 for a sample that a head does not learn from.

    Each minimises the sum of its cross-entropies plus half the penalty times the squared weights, by accelerated
    gradient steps, each divided by a bound of the curvature that all heads share (Bohning 1992; O'Donoghue and Candes
    2015 for the restarts). `start`: weights to begin with, (D + 1, B or 1, K).

    >>> heads = fit_softmax_heads(np.array([[-1.0], [1.0]], np.float32), np.array([[0, 1], [1, 0]]), 2, penalty=1.0)
    >>> heads.logits(np.array([[2.0]], np.float32)).argmax(axis=2)
    array([[1, 0]])
    """
    mean = features.mean(axis=0)
    x = np.column_stack([features - mean, np.ones(len(features))]).astype(np.float32)
    penalties = np.append(np.full(features.shape[1], penalty), _BIAS_PENALTY)
    bound = np.linalg.inv(0.5 * (x.T @ x).astype(np.float64) + np.diag(penalties)).astype(np.float32)
    shape = x.shape[1], len(labels), num_classes
    begun = np.zeros(shape, np.float32)
    if start is not None:
        begun += start
    weights = begun.reshape(shape[0], -1)
    targets = (labels.T[:, :, None] == np.arange(num_classes)).astype(np.float32)  # (n, B, K), zeros for -1
    learnt = (labels >= 0).T[:, :, None]
    ahead = weights.copy()
    momentum = 1.0
    for _ in range(steps):
        errors = (_softmax((x @ ahead).reshape(len(x), *shape[1:])) - targets) * learnt
        gradient = x.T @ errors.reshape(len(x), -1) + penalties[:, None].astype(np.float32) * ahead
        moved = ahead - bound @ gradient
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        # A head whose last move went uphill loses its momentum.
        uphill = ((ahead - moved) * (moved - weights)).reshape(shape).sum(axis=(0, 2)) > 0
        carried = np.where(uphill, 0, (momentum - 1) / following).astype(np.float32)
        ahead = moved + np.repeat(carried, num_classes) * (moved - weights)
        weights = moved
        momentum = following
    return SoftmaxHeads(weights.reshape(shape), mean)


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in place."""
    logits -= logits.max(axis=2, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=2, keepdims=True)
    return logits
