"""Per-sample scores in blocks, so that no more than a block of (N, K) is ever in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from avhcurate.errors import CurateError
from avhcurate.measures.scores import formulas
from avhcurate.measures.scores.angular import unit
from avhcurate.measures.scores.inputs import (
    Array,
    Kind,
    label_indices,
    logit_matrix,
    matrix,
    namespace,
    nan_unless,
    pair,
    rows_of,
)
from avhcurate.measures.scores.prototypes import ClassSums, class_sums
from avhcurate.measures.scores.table import SCORES

#: Elements of one (block, K) matrix: 16 MB in float32, measured to sit well in cache and to feed the matrix product.
_BLOCK_ELEMENTS = 1 << 22


def per_sample(
    features: Kind | None = None,
    class_weights: Kind | None = None,
    logits: Kind | None = None,
    labels: Array | None = None,
    *,
    prototypes: ClassSums | None = None,
    keys: Iterable[str] | None = None,
    block_size: int | None = None,
) -> dict[str, Kind]:
    """Return scores of every sample in one pass: {"predicted": (N,) int64, key: (N,) float, ...}.

    `features` (N, D), `class_weights` (K, D), `logits` (N, K), each None where it is not at hand; `labels` (N,) of
    class indices, -1 for none, whose label scores are NaN. Without `logits` they are features @ class_weights.T,
    without a bias. `prototypes`, the embeddings of all samples summed by class, replace class weights in the scores
    that have "prototype" in their name; without logits `predicted` is the nearest of them, and -1 without either.
    `keys` defaults to every score that can be computed from these and needs no second pass. `block_size` is in samples.
    """
    inputs = _checked(features, class_weights, logits, prototypes)
    xp = inputs.xp
    wanted = _offered(keys, inputs.at_hand)
    rows = inputs.rows
    if labels is None:
        labels = xp.zeros_like(rows[:, 0], dtype=xp.int64) - 1
    # Without classes, as for embeddings only, any label is valid.
    labels = label_indices(xp, labels, like=rows, num_classes=inputs.num_classes or 1 << 31)
    step = block_size or max(1, _BLOCK_ELEMENTS // max(1, inputs.num_classes))
    parts: list[dict[str, Array]] = []
    for start in range(0, max(rows.shape[0], 1), step):
        parts.append(_scores_of(inputs.batch(slice(start, start + step), labels), wanted))
    return {key: xp.concat([part[key] for part in parts]) for key in parts[0]}


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What scores are computed from, checked; what is not at hand is None."""

    xp: ModuleType
    features: Array  # (N, D)
    class_weights: Array  # (K, D)
    unit_class_weights: Array
    logits: Array  # (N, K)
    prototypes: ClassSums | None
    num_classes: int

    @property
    def rows(self) -> Array:
        """Return an array with a row for each sample."""
        if self.features is not None:
            return self.features
        return self.logits

    @property
    def at_hand(self) -> set[str]:
        """Return which needs of scores are met; class weights give logits too."""
        parts = {
            "prototypes": self.prototypes,
            "features": self.features,
            "class_weights": self.class_weights,
            "logits": self.logits,
        }
        there = {name for name, part in parts.items() if part is not None}
        if "class_weights" in there:
            there.add("logits")
        return there

    def batch(self, block: slice, labels: Array) -> formulas.Batch:
        """Return a block of the samples."""
        x = f = None
        if self.features is not None:
            x = self.features[block, :]
        if self.logits is not None:
            f = self.logits[block, :]
        elif self.class_weights is not None:
            f = x @ self.class_weights.T
        return formulas.Batch(self.xp, x, self.unit_class_weights, f, labels[block], self.prototypes)


def _checked(features: Array, class_weights: Array, logits: Array, prototypes: ClassSums | None) -> _Inputs:
    """Return what is given in one namespace; refuse shapes that do not fit."""
    arrays = [array for array in (features, logits) if array is not None]
    if not arrays:
        raise CurateError("Scores need features, logits or both. Give one of them.")
    if class_weights is not None and features is None:
        raise CurateError("Class weights score embeddings. Give features too.")
    xp = namespace(*arrays)
    num_classes = 0
    unit_class_weights = None
    if prototypes is not None:
        num_classes = prototypes.sums.shape[0]
    if logits is not None:
        num_classes = logits.shape[-1]
    if features is not None:
        features = matrix(xp, features, "features")
    if class_weights is not None:
        xp, features, class_weights = pair(features, class_weights)
        unit_class_weights = unit(xp, class_weights)
        num_classes = class_weights.shape[0]
    if logits is not None:
        logits = logit_matrix(xp, logits)
        if tuple(logits.shape) != (arrays[0].shape[0], num_classes):
            raise CurateError(f"logits must have shape {(arrays[0].shape[0], num_classes)}, not {tuple(logits.shape)}.")
    return _Inputs(
        xp=xp,
        features=features,
        class_weights=class_weights,
        unit_class_weights=unit_class_weights,
        logits=logits,
        prototypes=prototypes,
        num_classes=num_classes,
    )


def _scores_of(batch: formulas.Batch, keys: list[str]) -> dict[str, Array]:
    if batch.labels.shape[0] == 0:
        like = batch.features
        if like is None:
            like = batch.logits
        return {"predicted": batch.labels, **dict.fromkeys(keys, like.reshape((-1,))[:0])}
    functions = {key: SCORES[key].function for key in keys}
    return {"predicted": batch.predicted} | {key: f(batch) for key, f in functions.items() if f is not None}


def _offered(keys: Iterable[str] | None, at_hand: set[str]) -> list[str]:
    offered = [key for key, score in SCORES.items() if score.function is not None and score.needs in at_hand]
    if keys is None:
        return offered
    wanted = list(keys)
    unknown = [key for key in wanted if key not in offered]
    if unknown:
        raise CurateError(f"Unknown score {', '.join(unknown)}. Choose from {', '.join(offered)}.")
    return wanted


def _one(key: str, *arrays: Array | None) -> Array:
    return per_sample(*arrays, keys=[key])[key]


def avh(features: Kind, class_weights: Kind, labels: Array) -> Kind:
    """Angular visual hardness: (N, D), (K, D), (N,) -> (N,) in [0, 1]; large = hard; NaN where the label is -1.

    AVH(x) = A(x, w_y) / sum_k A(x, w_k), angles in radians (Chen et al. 2020, definition 1). With one class it is 1.

    >>> import numpy as np
    >>> avh(np.array([[0.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([0])).round(6)
    array([0.333333])
    """
    return _one("avh", features, class_weights, None, labels)


def relative_avh(features: Kind, class_weights: Kind, labels: Array) -> Kind:
    """K * AVH, the angle to the label over the mean angle: (N,) in [0, K]; 1 = no evidence for the label."""
    return _one("relative_avh", features, class_weights, None, labels)


def target_angle(features: Kind, class_weights: Kind, labels: Array) -> Kind:
    """Angle to the label's class weights in radians: (N, D), (K, D), (N,) -> (N,) in [0, pi]; large = hard."""
    return _one("target_angle", features, class_weights, None, labels)


def angular_gap(features: Kind, class_weights: Kind, labels: Array) -> Kind:
    """Angle to the label minus the angle to the nearest other class, radians: (N,) in [-pi, pi]; large = hard.

    >>> import numpy as np
    >>> gap = angular_gap(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0]))
    >>> np.degrees(gap).round(6)
    array([90.])
    """
    return _one("angular_gap", features, class_weights, None, labels)


def class_angular_gap(features: Kind, class_weights: Kind, labels: Array) -> Kind:
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
    xp = namespace(gap)
    num_classes = class_weights.shape[0]
    labels = label_indices(xp, labels, like=gap, num_classes=num_classes)
    rows = rows_of(xp, labels)

    def mean_of_class(values: Array) -> Array:
        """Return it for each sample, in the precision of the gaps; no (N, K) is made."""
        return xp.astype(class_sums(values[:, None], labels, num_classes).means[:, 0], gap.dtype)[rows]

    off = gap - mean_of_class(gap)
    off = off - mean_of_class(off)
    variance = mean_of_class(off**2)
    return off / nan_unless(xp, variance > 0, xp.sqrt(variance))


def norm(features: Kind) -> Kind:
    """Euclidean length of each embedding: (N, D) -> (N,), also where the squares of a row overflow or vanish.

    >>> import numpy as np
    >>> norm(np.array([[3.0, 4.0], [3e200, 4e200]]))
    array([5.e+000, 5.e+200])
    """
    return _one("norm", features)


def confidence(logits: Kind, labels: Array) -> Kind:
    """Softmax probability of the given label: (N, K), (N,) -> (N,) in [0, 1]; NaN where the label is -1.

    >>> import numpy as np
    >>> confidence(np.array([[np.log(3.0), 0.0]]), np.array([0])).round(6)
    array([0.75])
    """
    return _one("confidence", None, None, logits, labels)


def max_confidence(logits: Kind) -> Kind:
    """Largest softmax probability: (N, K) -> (N,) in [1/K, 1].

    >>> import numpy as np
    >>> max_confidence(np.array([[0.0, np.log(4.0)]])).round(6)
    array([0.8])
    """
    return _one("max_confidence", None, None, logits)


def margin(logits: Kind, labels: Array) -> Kind:
    """Logit of the label minus the largest other logit: (N, K), (N,) -> (N,); negative = misclassified.

    >>> import numpy as np
    >>> margin(np.array([[2.0, 5.0, 1.0]]), np.array([0]))
    array([-3.])
    """
    return _one("margin", None, None, logits, labels)


def entropy(logits: Kind) -> Kind:
    """Entropy of the softmax output in nats: (N, K) -> (N,) in [0, ln K].

    >>> import numpy as np
    >>> bool(np.isclose(entropy(np.zeros((1, 4))), np.log(4)).all())
    True
    """
    return _one("entropy", None, None, logits)


def loss(logits: Kind, labels: Array) -> Kind:
    """Cross-entropy of the label in nats: (N, K), (N,) -> (N,), 0 or more.

    >>> import numpy as np
    >>> bool(np.isclose(loss(np.array([[np.log(3.0), 0.0]]), np.array([0])), -np.log(0.75)).all())
    True
    """
    return _one("loss", None, None, logits, labels)


def el2n(logits: Kind, labels: Array) -> Kind:
    """|softmax(logits) - onehot(label)|, Paul et al. 2021: (N, K), (N,) -> (N,) in [0, sqrt 2].

    >>> import numpy as np
    >>> el2n(np.array([[np.log(3.0), 0.0]]), np.array([0])).round(6)
    array([0.353553])
    """
    return _one("el2n", None, None, logits, labels)


def grand(features: Kind, logits: Kind, labels: Array) -> Kind:
    """GraNd of the last layer: length of the cross-entropy's gradient in its class weights and bias, Paul et al. 2021.

    In closed form |(softmax(logits) - onehot(label)) outer [features, 1]|: (N, D), (N, K), (N,) -> (N,), 0 or more;
    large = hard; NaN where the label is -1.

    >>> import numpy as np
    >>> grand(np.array([[2.0, 2.0]]), np.array([[np.log(3.0), 0.0]]), np.array([0])).round(6)  # 3 EL2N
    array([1.06066])
    """
    xp = namespace(features, logits)
    logits = logit_matrix(xp, logits)
    labels = label_indices(xp, labels, like=logits, num_classes=logits.shape[1])
    return formulas.grand(formulas.Batch(xp, matrix(xp, features, "features"), None, logits, labels))


def prototypes(features: Kind, labels: Array, num_classes: int) -> Kind:
    """Mean embedding of every class: (N, D), (N,) -> (K, D); zero for a class without samples.

    Embeddings that are not finite, and samples without a label (-1), are left out.

    >>> import numpy as np
    >>> prototypes(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]]), np.array([0, 0, 1]), 2)
    array([[2., 0.],
           [0., 5.]])
    """
    means = class_sums(features, labels, num_classes).means
    xp = namespace(means)
    if features.dtype == xp.float64:
        return means
    return xp.astype(means, xp.float32)
