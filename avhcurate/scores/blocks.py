"""Per-sample scores in blocks, so that no more than a block of (N, K) is ever in memory."""

from collections.abc import Iterable
from types import ModuleType

from avhcurate.errors import CurateError
from avhcurate.scores.angular import unit
from avhcurate.scores.inputs import Array, label_indices, matrix, namespace, pair
from avhcurate.scores.table import SCORES, Batch

#: Elements of one (block, K) matrix: 16 MB in float32, measured to sit well in cache and to feed the matrix product.
_BLOCK_ELEMENTS = 1 << 22


def per_sample(
    features: Array,
    class_weights: Array,
    logits: Array | None = None,
    labels: Array | None = None,
    *,
    keys: Iterable[str] | None = None,
    block_size: int | None = None,
) -> dict[str, Array]:
    """Scores of every sample in one pass: {"predicted": (N,) int64, key: (N,) float, ...}.

    `features` (N, D), `class_weights` (K, D), `logits` (N, K); `labels` (N,) of class indices, -1 for none, whose
    label scores are NaN. Without `logits` they are features @ class_weights.T, without a bias. `keys` defaults to
    every score of the table that needs no second pass. `block_size` is in samples.
    """
    xp, features, class_weights = pair(features, class_weights)
    num_samples, num_classes = features.shape[0], class_weights.shape[0]
    wanted = _known(keys)
    if logits is not None:
        logits = matrix(xp, logits, "logits")
        if tuple(logits.shape) != (num_samples, num_classes):
            raise CurateError(f"logits must have shape {(num_samples, num_classes)}, got {tuple(logits.shape)}")
    labels = _labels_or_none(xp, labels, like=features, num_classes=num_classes)
    unit_class_weights = unit(xp, class_weights)
    step = block_size or max(1, _BLOCK_ELEMENTS // num_classes)
    parts: list[dict[str, Array]] = []
    for start in range(0, max(num_samples, 1), step):
        block = slice(start, start + step)
        x = features[block, :]
        f = x @ class_weights.T if logits is None else logits[block, :]
        batch = Batch(xp, x, unit_class_weights, f, labels[block])
        parts.append(_scores_of(batch, wanted))
    return {key: xp.concat([part[key] for part in parts]) for key in parts[0]}


def _scores_of(batch: Batch, keys: list[str]) -> dict[str, Array]:
    if batch.features.shape[0] == 0:
        empty = batch.features[:, 0] if batch.features.shape[1] else batch.features.reshape((0,))
        return {"predicted": batch.labels, **dict.fromkeys(keys, empty)}
    functions = {key: SCORES[key].function for key in keys}
    return {"predicted": batch.predicted, **{key: f(batch) for key, f in functions.items() if f is not None}}


def _known(keys: Iterable[str] | None) -> list[str]:
    offered = [key for key, score in SCORES.items() if score.function is not None]
    wanted = offered if keys is None else list(keys)
    unknown = [key for key in wanted if key not in offered]
    if unknown:
        raise CurateError(f"no score is called {', '.join(unknown)}: choose from {', '.join(offered)}")
    return wanted


def _labels_or_none(xp: ModuleType, labels: Array | None, *, like: Array, num_classes: int) -> Array:
    if labels is None:
        return xp.zeros_like(like[:, 0], dtype=xp.int64) - 1
    return label_indices(xp, labels, like=like, num_classes=num_classes)


def avh(features: Array, class_weights: Array, labels: Array) -> Array:
    """Angular visual hardness: (N, D), (K, D), (N,) -> (N,) in [0, 1]; large = hard; NaN where the label is -1.

    AVH(x) = A(x, w_y) / sum_k A(x, w_k), angles in radians (Chen et al. 2020, definition 1). With one class it is 1.

    >>> import numpy as np
    >>> avh(np.array([[0.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([0])).round(6)
    array([0.333333])
    """
    return per_sample(features, class_weights, None, labels, keys=["avh"])["avh"]


def relative_avh(features: Array, class_weights: Array, labels: Array) -> Array:
    """K * AVH, the angle to the label over the mean angle: (N,) in [0, K]; 1 = no evidence for the label."""
    return per_sample(features, class_weights, None, labels, keys=["relative_avh"])["relative_avh"]


def target_angle(features: Array, class_weights: Array, labels: Array) -> Array:
    """Angle to the label's class weights in radians: (N, D), (K, D), (N,) -> (N,) in [0, pi]; large = hard."""
    return per_sample(features, class_weights, None, labels, keys=["target_angle"])["target_angle"]


def angular_gap(features: Array, class_weights: Array, labels: Array) -> Array:
    """Angle to the label minus the angle to the nearest other class, radians: (N,) in [-pi, pi]; large = hard.

    >>> import numpy as np
    >>> gap = angular_gap(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0]))
    >>> np.degrees(gap).round(6)
    array([90.])
    """
    return per_sample(features, class_weights, None, labels, keys=["angular_gap"])["angular_gap"]


def prototypes(features: Array, labels: Array, num_classes: int) -> Array:
    """Mean embedding of every class: (N, D), (N,) -> (K, D); zero for a class without samples.

    Embeddings that are not finite, and samples without a label (-1), are left out.

    >>> import numpy as np
    >>> prototypes(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]]), np.array([0, 0, 1]), 2)
    array([[2., 0.],
           [0., 5.]])
    """
    xp = namespace(features)
    features = matrix(xp, features, "features")
    labels = label_indices(xp, labels, like=features, num_classes=num_classes)
    means = []
    for label in range(num_classes):
        members = features[xp.nonzero(labels == label)[0], :]
        members = members[xp.nonzero(xp.all(xp.isfinite(members), axis=1))[0], :]
        means.append(xp.sum(members, axis=0) / max(1, members.shape[0]))
    return xp.stack(means)
