"""A block of samples, and the formula of every score that one pass over blocks computes."""

import math
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

from avhcurate.measures.scores.angular import avc_of, lengths, unit, unit_angles
from avhcurate.measures.scores.inputs import Array, at_label, is_label, nan_unless, where_labelled
from avhcurate.measures.scores.prototypes import ClassSums, left_out_angles, nearest_of, or_nan
from avhcurate.measures.scores.softmax import double, log_probs


@dataclass
class Batch:
    """A block of samples, the input of the scores; angles and log-probabilities are computed once.

    A part that is missing is None: `per_sample` computes only scores that do not need it.
    """

    xp: ModuleType
    features: Array  # (n, D)
    unit_class_weights: Array  # (K, D)
    logits: Array  # (n, K)
    labels: Array  # (n,) int64, -1 for none
    class_sums: ClassSums | None = None

    @cached_property
    def angles(self) -> Array:
        return unit_angles(self.xp, unit(self.xp, self.features), self.unit_class_weights)

    @cached_property
    def prototype_angles(self) -> Array:
        """Return angles (n, K) to the class prototypes, each sample left out of its own."""
        assert self.class_sums is not None
        return left_out_angles(self.xp, self.features, self.labels, self.class_sums)

    @cached_property
    def log_probs(self) -> Array:
        return log_probs(self.xp, self.logits)

    @cached_property
    def predicted(self) -> Array:
        """Return the class of the largest logit; without logits the nearest prototype; -1 without either."""
        if self.logits is not None:
            return self.xp.argmax(self.logits, axis=1)
        if self.class_sums is not None:
            return nearest_of(self.xp, self.prototype_angles)
        return self.xp.full_like(self.labels, -1)

    def at_label(self, values: Array) -> Array:
        """Return the values (n, K) at the labels, (n,); NaN where there is none."""
        return at_label(self.xp, values, self.labels)

    def others(self, values: Array, none: float) -> Array:
        """Return the values (n, K) with `none` at the labels."""
        return self.xp.where(is_label(self.xp, self.labels, values.shape[1]), self.xp.full_like(values, none), values)


# --- angles ------------------------------------------------------------------------------------------------------


def avh(b: Batch) -> Array:
    """Return the share of the angle to the label in the sum over classes."""
    xp = b.xp
    total = b.xp.sum(b.angles, axis=1)
    share = b.at_label(b.angles) / xp.where(total > 0, total, xp.ones_like(total))
    return xp.where(total == 0, where_labelled(xp, xp.full_like(total, 1 / b.angles.shape[1]), b.labels), share)


def relative_avh(b: Batch) -> Array:
    """Return AVH times the number of classes."""
    return avh(b) * b.angles.shape[1]


def target_angle(b: Batch) -> Array:
    """Return the angle to the label's class weight."""
    return b.at_label(b.angles)


def angular_gap(b: Batch) -> Array:
    """Return the angle to the label minus the smallest angle to any other class; NaN with one class."""
    return _gap(b, b.angles, b.angles)


def avc(b: Batch) -> Array:
    """Return the angular confidence of the predicted class."""
    return b.xp.take_along_axis(avc_of(b.xp, b.angles), b.predicted[:, None], axis=1)[:, 0]


# --- softmax -----------------------------------------------------------------------------------------------------


def confidence(b: Batch) -> Array:
    """Return the softmax probability of the label."""
    return b.xp.exp(double(b.xp, b.at_label(b.log_probs)))


def max_confidence(b: Batch) -> Array:
    """Return the largest softmax probability."""
    return b.xp.exp(double(b.xp, b.xp.max(b.log_probs, axis=1)))


def margin(b: Batch) -> Array:
    """Return the logit of the label minus the largest other logit; NaN with one class."""
    if b.logits.shape[1] == 1:
        return b.xp.full_like(b.logits[:, 0], math.nan)
    return b.at_label(b.logits) - b.xp.max(b.others(b.logits, -math.inf), axis=1)


def entropy(b: Batch) -> Array:
    """Return the entropy of the softmax output in nats; a probability of 0 adds nothing."""
    p = b.xp.exp(b.log_probs)
    return 0 - b.xp.sum(p * b.xp.where(p > 0, b.log_probs, b.xp.zeros_like(p)), axis=1)


def loss(b: Batch) -> Array:
    """Return the cross-entropy of the label in nats."""
    return 0 - b.at_label(b.log_probs)


def el2n(b: Batch) -> Array:
    """Return |softmax - one-hot label|; 1 - p_y is summed from the other classes, to keep its digits when tiny."""
    xp = b.xp
    others = b.others(b.xp.exp(b.log_probs), 0.0)
    return where_labelled(xp, xp.sqrt(xp.sum(others**2, axis=1) + xp.sum(others, axis=1) ** 2), b.labels)


def grand(b: Batch) -> Array:
    """Return |(p - one-hot) outer [features, 1]|: an outer product is as long as the product of the two lengths."""
    reach = lengths(b.xp, b.features)
    return el2n(b) * b.xp.hypot(reach, b.xp.ones_like(reach))


def norm(b: Batch) -> Array:
    """Return the length of each embedding."""
    return lengths(b.xp, b.features)


# --- prototypes --------------------------------------------------------------------------------------------------


def prototype_hardness(b: Batch) -> Array:
    """Return the share of the angle to the label's prototype in the sum over the classes that have one."""
    total = b.xp.sum(or_nan(b.xp, b.prototype_angles, 0.0), axis=1)
    return b.at_label(b.prototype_angles) / nan_unless(b.xp, total > 0, total)


def prototype_angle(b: Batch) -> Array:
    """Return the angle to the label's prototype."""
    return b.at_label(b.prototype_angles)


def prototype_gap(b: Batch) -> Array:
    """Return the angle to the label's prototype minus the smallest to any other; NaN without another."""
    return _gap(b, b.prototype_angles, or_nan(b.xp, b.prototype_angles, math.inf))


def prototype_confidence(b: Batch) -> Array:
    """Return (pi - angle) of the nearest prototype over the sum of (pi - angle) of all; NaN without a prototype."""
    closeness = math.pi - or_nan(b.xp, b.prototype_angles, math.pi)
    total = b.xp.sum(closeness, axis=1)
    return b.xp.max(closeness, axis=1) / nan_unless(b.xp, total > 0, total)


def _gap(b: Batch, theta: Array, angles: Array) -> Array:
    """Return angles at the label minus the smallest of the others among `angles` (n, K); NaN where none is finite."""
    nearest = b.xp.min(b.others(angles, math.inf), axis=1)
    return b.at_label(theta) - nan_unless(b.xp, b.xp.isfinite(nearest), nearest)
