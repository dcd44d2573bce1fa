"""Class prototypes, the mean embeddings of classes, and scores by the angles to them, without a classifier."""

import math
from dataclasses import dataclass
from types import ModuleType

import array_api_compat

from avhcurate.errors import CurateError
from avhcurate.measures.scores.angular import chord_angle, unit, unit_angles
from avhcurate.measures.scores.inputs import Array, Kind, label_indices, matrix, namespace
from avhcurate.measures.scores.softmax import double

#: Fewest and most rows that are summed at a time.
_ROWS = (64, 1024)


@dataclass(frozen=True)
class ClassSums:
    """Embeddings summed by class: `sums` (K, D) in float64, zeros for a class without members, and `counts` (K,)."""

    sums: Array
    counts: Array

    @property
    def means(self) -> Array:
        """Return the prototypes (K, D); zeros for a class without members."""
        xp = namespace(self.sums)
        return self.sums / xp.where(self.counts > 0, self.counts, xp.ones_like(self.counts))[:, None]


def class_sums(features: Array, labels: Array, num_classes: int) -> ClassSums:
    """Sum (N, D) embeddings by class, with labels (N,), -1 for none, without embeddings that are not finite."""
    xp = namespace(features)
    features = matrix(xp, features, "features")
    labels = label_indices(xp, labels, like=features, num_classes=num_classes)
    device = array_api_compat.device(features)
    sums = double(xp, xp.zeros((num_classes, features.shape[1]), dtype=features.dtype, device=device))
    counts = xp.zeros(num_classes, dtype=xp.int64, device=device)
    # In order of the labels a block holds about two classes: a product with their indicators sums each of them.
    order = xp.argsort(labels, stable=True)[int(xp.sum(labels < 0)) :]
    step = min(max(_ROWS[0], 2 * order.shape[0] // max(1, num_classes)), _ROWS[1])
    for start in range(0, order.shape[0], step):
        rows = order[start : start + step]
        members = features[rows, :]
        classes = labels[rows]
        finite = xp.all(xp.isfinite(members), axis=1)
        members = members[finite, :]
        classes = classes[finite]
        if not classes.shape[0]:
            continue
        part = slice(int(classes[0]), int(classes[-1]) + 1)
        indicators = xp.arange(part.start, part.stop, device=device)[:, None] == classes[None, :]
        sums[part, :] += xp.astype(indicators, sums.dtype) @ double(xp, members)
        counts[part] += xp.sum(xp.astype(indicators, xp.int64), axis=1)
    return ClassSums(sums, counts)


def prototype_angles(features: Kind, labels: Array, num_classes: int) -> Kind:
    """Angles to the class prototypes, each sample left out of its own: (N, D), (N,) -> (N, K), radians.

    NaN for a class without members, and at the label of a sample that is its class's only member. Labels of -1 are
    left out of no prototype.

    >>> import numpy as np
    >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    >>> np.degrees(prototype_angles(features, np.array([0, 0, 1]), 2)).round(6)
    array([[90., 90.],
           [90.,  0.],
           [45., nan]])
    """
    xp = namespace(features)
    features = matrix(xp, features, "features")
    labels = label_indices(xp, labels, like=features, num_classes=num_classes)
    return left_out_angles(xp, features, labels, class_sums(features, labels, num_classes))


def left_out_angles(xp: ModuleType, features: Array, labels: Array, totals: ClassSums) -> Array:
    """Return `prototype_angles` of some of the samples that were summed."""
    if features.shape[1] != totals.sums.shape[1]:
        raise CurateError(f"features are {features.shape[1]} wide and the prototypes {totals.sums.shape[1]}.")
    x = double(xp, features)
    u = unit(xp, x)
    theta = unit_angles(xp, u, unit(xp, totals.sums))
    rows = xp.nonzero(labels >= 0)[0]
    classes = labels[rows]
    others = xp.where(
        (totals.counts[classes] > 1)[:, None], totals.sums[classes, :] - x[rows, :], xp.zeros_like(x[rows, :])
    )
    theta[rows, classes] = chord_angle(xp, u[rows, :], unit(xp, others))
    return theta


def nearest_of(xp: ModuleType, theta: Array) -> Array:
    """Return the class of the nearest prototype (N,) int64, -1 where there is none."""
    angles = or_nan(xp, theta, math.inf)
    nearest = xp.astype(xp.argmin(angles, axis=1), xp.int64)
    return xp.where(xp.isfinite(xp.min(angles, axis=1)), nearest, xp.full_like(nearest, -1))


def or_nan(xp: ModuleType, theta: Array, value: float) -> Array:
    """Return angles with `value` in place of NaN."""
    return xp.where(xp.isnan(theta), xp.full_like(theta, value), theta)
