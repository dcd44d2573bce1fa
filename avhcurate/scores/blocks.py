"""Per-sample scores in blocks, so that no more than a block of (N, K) is ever in memory."""

from collections.abc import Iterable
from types import ModuleType

from avhcurate.errors import CurateError
from avhcurate.scores.angular import unit
from avhcurate.scores.inputs import Array, label_indices, logit_matrix, matrix, namespace, pair
from avhcurate.scores.prototypes import ClassSums, class_sums
from avhcurate.scores.table import SCORES, Batch

#: Elements of one (block, K) matrix: 16 MB in float32, measured to sit well in cache and to feed the matrix product.
_BLOCK_ELEMENTS = 1 << 22


def per_sample(
    features: Array | None,
    class_weights: Array | None = None,
    logits: Array | None = None,
    labels: Array | None = None,
    *,
    prototypes: ClassSums | None = None,
    keys: Iterable[str] | None = None,
    block_size: int | None = None,
) -> dict[str, Array]:
    """Scores of every sample in one pass: {"predicted": (N,) int64, key: (N,) float, ...}.

    `features` (N, D), `class_weights` (K, D), `logits` (N, K), each None where it is not at hand; `labels` (N,) of
    class indices, -1 for none, whose label scores are NaN. Without `logits` they are features @ class_weights.T,
    without a bias. `prototypes`, the embeddings of all samples summed by class, stand in for class weights in the
    scores that have "prototype" in their name; without logits `predicted` is the nearest of them, and -1 without
    either. `keys` defaults to every score that can be computed from these and needs no second pass. `block_size` is in
    samples.
    """
    given = [array for array in (features, logits) if array is not None]
    if not given:
        raise CurateError("scores need features, logits or both: give one of them")
    xp, num_samples = namespace(*given), given[0].shape[0]
    unit_class_weights = None
    if class_weights is not None:
        if features is None:
            raise CurateError("class weights score embeddings: give features too")
        xp, features, class_weights = pair(features, class_weights)
        unit_class_weights = unit(xp, class_weights)
    elif features is not None:
        features = matrix(xp, features, "features")
    width = _num_classes(class_weights, logits, prototypes)
    if logits is not None:
        logits = logit_matrix(xp, logits)
        if tuple(logits.shape) != (num_samples, width):
            raise CurateError(f"logits must have shape {(num_samples, width)}, got {tuple(logits.shape)}")
    wanted = _known(keys, _at_hand(features, class_weights, logits, prototypes))
    labels = _labels_or_none(xp, labels, like=given[0], num_classes=width)
    step = block_size or max(1, _BLOCK_ELEMENTS // max(1, width))
    parts: list[dict[str, Array]] = []
    for start in range(0, max(num_samples, 1), step):
        block = slice(start, start + step)
        x = None if features is None else features[block, :]
        f = x @ class_weights.T if logits is None and class_weights is not None else None
        f = f if logits is None else logits[block, :]
        parts.append(_scores_of(Batch(xp, x, unit_class_weights, f, labels[block], prototypes), wanted))
    return {key: xp.concat([part[key] for part in parts]) for key in parts[0]}


def _num_classes(class_weights: Array | None, logits: Array | None, prototypes: ClassSums | None) -> int:
    if class_weights is not None:
        return int(class_weights.shape[0])
    if logits is not None:
        return int(logits.shape[-1])
    return 0 if prototypes is None else int(prototypes.sums.shape[0])


def _at_hand(
    features: Array | None, class_weights: Array | None, logits: Array | None, prototypes: ClassSums | None
) -> set[str]:
    """What scores may need, as far as it is given."""
    given = {"features": features, "class_weights": class_weights, "logits": logits, "prototypes": prototypes}
    found = {name for name, value in given.items() if value is not None}
    return found | ({"logits"} if class_weights is not None else set())


def _scores_of(batch: Batch, keys: list[str]) -> dict[str, Array]:
    if batch.labels.shape[0] == 0:
        like = batch.logits if batch.features is None else batch.features
        empty = like[:, 0] if like.shape[1] else like.reshape((0,))
        return {"predicted": batch.labels, **dict.fromkeys(keys, empty)}
    functions = {key: SCORES[key].function for key in keys}
    return {"predicted": batch.predicted, **{key: f(batch) for key, f in functions.items() if f is not None}}


def _known(keys: Iterable[str] | None, at_hand: set[str]) -> list[str]:
    offered = [key for key, score in SCORES.items() if score.function is not None and score.needs in at_hand]
    wanted = offered if keys is None else list(keys)
    unknown = [key for key in wanted if key not in offered]
    if unknown:
        raise CurateError(f"no score is called {', '.join(unknown)}: choose from {', '.join(offered)}")
    return wanted


def _labels_or_none(xp: ModuleType, labels: Array | None, *, like: Array, num_classes: int) -> Array:
    if labels is None:
        return xp.zeros_like(like[:, 0], dtype=xp.int64) - 1
    # Without classes, as of embeddings alone, a label is only told apart from none.
    return label_indices(xp, labels, like=like, num_classes=num_classes or 1 << 31)


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


def class_angular_gap(features: Array, class_weights: Array, labels: Array) -> Array:
    """Angular gap, standardised within the class of the label: (N, D), (K, D), (N,) -> (N,); large = hard.

    (g - mean of g in the class) / its population standard deviation in the class: 0 is as hard as the class usually is,
    2 is two deviations harder. NaN without a label and in a class whose gaps are all alike.

    >>> import numpy as np
    >>> directions = np.radians([0.0, 10.0, 20.0, 90.0])
    >>> features = np.stack([np.cos(directions), np.sin(directions)], axis=1)
    >>> class_angular_gap(features, np.eye(2), np.array([0, 0, 0, 1])).round(3)
    array([-1.225,  0.   ,  1.225,    nan])
    """
    gap = angular_gap(features, class_weights, labels)
    xp, num_classes = namespace(gap), class_weights.shape[0]
    labels = label_indices(xp, labels, like=gap, num_classes=num_classes)
    at = xp.where(labels < 0, xp.zeros_like(labels), labels)

    def mean_of_class(values: Array) -> Array:
        """Of each sample, in the precision of the gaps; no (N, K) is made."""
        return xp.astype(class_sums(values[:, None], labels, num_classes).means[:, 0], gap.dtype)[at]

    off = gap - mean_of_class(gap)
    off = off - mean_of_class(off)
    variance = mean_of_class(off**2)
    return off / xp.where(variance > 0, xp.sqrt(variance), xp.full_like(variance, float("nan")))


def prototypes(features: Array, labels: Array, num_classes: int) -> Array:
    """Mean embedding of every class: (N, D), (N,) -> (K, D); zero for a class without samples.

    Embeddings that are not finite, and samples without a label (-1), are left out.

    >>> import numpy as np
    >>> prototypes(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]]), np.array([0, 0, 1]), 2)
    array([[2., 0.],
           [0., 5.]])
    """
    means = class_sums(features, labels, num_classes).means
    xp = namespace(means)
    return means if features.dtype == xp.float64 else xp.astype(means, xp.float32)
