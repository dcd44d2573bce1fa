"""Scores of the softmax output: confidence, margin, entropy, loss, EL2N."""

import math
from types import ModuleType

import array_api_compat

from avhcurate.measures.scores.angular import lengths
from avhcurate.measures.scores.inputs import Array, at_label, is_label, where_labelled


def log_probs(xp: ModuleType, logits: Array) -> Array:
    """Return log softmax (N, K), exact to the last digit also where one class takes all.

    The largest class's own term is left out of the sum before the logarithm, so log p = -1e-12 does not become 0.
    """
    if logits.shape[0] == 0:
        return logits
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    first = xp.argmax(shifted, axis=1)
    rest = xp.where(is_label(xp, first, logits.shape[1]), xp.zeros_like(shifted), xp.exp(shifted))
    return shifted - xp.log1p(xp.sum(rest, axis=1, keepdims=True))


def double(xp: ModuleType, values: Array) -> Array:
    """Return `values` in float64 where the device has it, so that probabilities next to 1 keep their order."""
    if "mps" in str(array_api_compat.device(values)):
        return values
    return xp.astype(values, xp.float64)


def confidence_of(xp: ModuleType, log_p: Array, labels: Array) -> Array:
    """Softmax probability of the label."""
    return xp.exp(double(xp, at_label(xp, log_p, labels)))


def max_confidence_of(xp: ModuleType, log_p: Array) -> Array:
    """Largest softmax probability."""
    return xp.exp(double(xp, xp.max(log_p, axis=1)))


def margin_of(xp: ModuleType, logits: Array, labels: Array) -> Array:
    """Logit of the label minus the largest other logit; NaN with one class."""
    if logits.shape[1] == 1:
        return xp.full_like(logits[:, 0], float("nan"))
    others = xp.where(is_label(xp, labels, logits.shape[1]), xp.full_like(logits, -math.inf), logits)
    return at_label(xp, logits, labels) - xp.max(others, axis=1)


def entropy_of(xp: ModuleType, log_p: Array) -> Array:
    """Entropy of the softmax output in nats; a probability of 0 adds nothing."""
    p = xp.exp(log_p)
    return -xp.sum(xp.where(p > 0, p * log_p, xp.where(xp.isnan(p), p, xp.zeros_like(p))), axis=1)


def loss_of(xp: ModuleType, log_p: Array, labels: Array) -> Array:
    """Cross-entropy of the label in nats."""
    return 0 - at_label(xp, log_p, labels)


def el2n_of(xp: ModuleType, log_p: Array, labels: Array) -> Array:
    """|softmax - one-hot label|; 1 - p_y is summed from the other classes, which keeps digits when it is tiny."""
    p = xp.exp(log_p)
    others = xp.where(is_label(xp, labels, p.shape[1]), xp.zeros_like(p), p)
    return where_labelled(xp, xp.sqrt(xp.sum(others**2, axis=1) + xp.sum(others, axis=1) ** 2), labels)


def grand_of(xp: ModuleType, features: Array, log_p: Array, labels: Array) -> Array:
    """|(p - one-hot) outer [features, 1]|: an outer product is as long as the product of the two lengths."""
    reach = lengths(xp, features)
    return el2n_of(xp, log_p, labels) * xp.hypot(reach, xp.ones_like(reach))
