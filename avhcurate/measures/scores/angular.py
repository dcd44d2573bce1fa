"""Angles between embeddings and class weights, and the scores made of them (AVH, AVC: Chen et al., ICML 2020)."""

import math
from types import ModuleType

import numpy as np

from avhcurate.measures.scores.inputs import (
    Array,
    Kind,
    label_indices,
    matrix,
    namespace,
    nan_unless,
    pair,
    rows_of,
    where_labelled,
)

#: Above this |cosine| the arc cosine loses digits in float32 and the chord is used instead.
_STEEP = 0.9
#: Elements in one block of pairs whose chord is measured: 16 MB in float32.
_BLOCK = 1 << 22


def angles(features: Kind, class_weights: Kind) -> Kind:
    """Angle between every embedding and every class weight vector: (N, D), (K, D) -> (N, K).

    Radians in [0, pi], accurate to 1e-6 in float32 also next to 0 and pi. A zero or non-finite embedding has no
    direction: its row is NaN. Raises CurateError for a zero or non-finite class weight.

    >>> import numpy as np
    >>> np.degrees(angles(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]))).round(6)
    array([[  0.,  90., 180.]])
    """
    xp, features, class_weights = pair(features, class_weights)
    return unit_angles(xp, unit(xp, features), unit(xp, class_weights))


def unit(xp: ModuleType, vectors: Array) -> Array:
    """Return rows of length 1; NaN where a row is zero or not finite. Huge and tiny rows do not overflow."""
    if vectors.shape[0] == 0:
        return vectors
    largest = xp.max(xp.abs(vectors), axis=1, keepdims=True)
    usable = xp.isfinite(largest) & (largest > 0)
    scaled = vectors / nan_unless(xp, usable, largest)
    return scaled / xp.linalg.vector_norm(scaled, axis=1, keepdims=True)


def lengths(xp: ModuleType, vectors: Array) -> Array:
    """Return the length of each row, scaled by its largest entry first; inf and NaN stay."""
    if vectors.shape[0] == 0:
        return xp.linalg.vector_norm(vectors, axis=1)
    largest = xp.max(xp.abs(vectors), axis=1, keepdims=True)
    scale = xp.where(xp.isfinite(largest) & (largest > 0), largest, xp.ones_like(largest))
    return xp.linalg.vector_norm(vectors / scale, axis=1) * scale[:, 0]


def unit_angles(xp: ModuleType, u: Array, w: Array) -> Array:
    """Return angles (N, K) of unit rows: arc cosine, and the chord form 2 atan2(|u - w|, |u + w|) near 0 and pi."""
    cosine = u @ w.T
    theta = xp.acos(xp.clip(cosine, -1, 1))
    rows, columns = xp.nonzero(xp.abs(cosine) > _STEEP)
    step = max(1, _BLOCK // max(1, u.shape[1]))
    for start in range(0, rows.shape[0], step):
        row = rows[start : start + step]
        column = columns[start : start + step]
        theta[row, column] = chord_angle(xp, u[row, :], w[column, :])
    return theta


def chord_angle(xp: ModuleType, u: Array, v: Array) -> Array:
    """Return the angle between unit vectors along the last axis, (P, D), (P, D) -> (P,), accurate near 0 and pi too."""
    return 2 * xp.atan2(xp.linalg.vector_norm(u - v, axis=-1), xp.linalg.vector_norm(u + v, axis=-1))


def avc_of(xp: ModuleType, theta: Array) -> Array:
    """Return AVC (N, K) from angles (N, K)."""
    closeness = math.pi - theta
    total = xp.sum(closeness, axis=1, keepdims=True)
    share = closeness / xp.where(total == 0, xp.ones_like(total), total)
    return xp.where(total == 0, xp.full_like(share, 1 / theta.shape[1]), share)


def avc(features: Kind, class_weights: Kind) -> Kind:
    """Angular visual confidence of every class: (N, D), (K, D) -> (N, K), rows sum to 1; large = confident.

    AVC(c|x) = (pi - A(x, w_c)) / sum_k (pi - A(x, w_k)) (Chen et al. 2020, self-training section). It is flat: with
    orthogonal class weights no value exceeds 2 / (K + 1).

    >>> import numpy as np
    >>> avc(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])).round(3)
    array([[0.667, 0.333]])
    """
    xp, features, class_weights = pair(features, class_weights)
    return avc_of(xp, unit_angles(xp, unit(xp, features), unit(xp, class_weights)))


def parent_avh(theta: np.ndarray, labels: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Return AVH at the level of parents: angles (N, K), labels (N,), the number of each class's parent (K,) -> (N,).

    A(x, p_y) / sum_p A(x, p), in [0, 1], large = hard: AVH (Chen et al. 2020) with parents in place of classes. The
    angle to a parent is that to the nearest class weight of its classes; with a parent for each class it is AVH.

    >>> float(parent_avh(np.array([[1.5, 0.6, 1.4]]), np.array([0]), np.array([0, 0, 1])).round(3)[0])
    0.3
    """
    order = np.argsort(parents, kind="stable")
    _, starts = np.unique(parents[order], return_index=True)
    nearest = np.minimum.reduceat(theta[:, order], starts, axis=1)
    return nearest[np.arange(len(labels)), parents[labels]] / nearest.sum(axis=1)


def prototype_distance(features: Kind, prototypes: Kind, labels: Array) -> Kind:
    """1 - cos(embedding, mean embedding of its label's class): (N, D), (K, D), (N,) -> (N,), in [0, 2].

    `prototypes` are the class means, each sample's own embedding among them; NaN without a label or where the
    class has no usable mean.

    >>> import numpy as np
    >>> prototype_distance(np.array([[0.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0]))
    array([1.])
    """
    xp = namespace(features, prototypes)
    features = matrix(xp, features, "features")
    prototypes = matrix(xp, prototypes, "prototypes")
    labels = label_indices(xp, labels, like=features, num_classes=prototypes.shape[0])
    chord = xp.linalg.vector_norm(unit(xp, features) - unit(xp, prototypes)[rows_of(xp, labels), :], axis=1)
    return where_labelled(xp, chord**2 / 2, labels)
