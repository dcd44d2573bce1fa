"""The input of the score functions: float arrays of one kind, class weights without gaps, labels within range."""

from types import ModuleType
from typing import Any, Protocol, TypeVar

import array_api_compat

from avhcurate.errors import CurateError

#: An array of NumPy, PyTorch or another library of the array API standard; results are of the same kind.
Array = Any


class _Indexed(Protocol):
    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def T(self) -> Any: ...
    def __getitem__(self, key: Any, /) -> Any: ...


#: The kind of array that came in, which is the kind that comes out.
Kind = TypeVar("Kind", bound=_Indexed)


def namespace(*arrays: Array) -> ModuleType:
    """Return the array library of the arguments, which must be arrays of one kind."""
    try:
        return array_api_compat.array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(sorted({type(array).__name__ for array in arrays}))
        raise CurateError(f"Give NumPy arrays or torch tensors, all of one kind, not {kinds}.") from error


def matrix(xp: ModuleType, array: Array, name: str) -> Array:
    """Return `array` as a floating matrix; integers and half precision become float32, float64 stays."""
    if array.ndim != 2:
        raise CurateError(f"{name} must have two dimensions; its shape is {tuple(array.shape)}.")
    if array.dtype in (xp.float32, xp.float64):
        return array
    if xp.isdtype(array.dtype, "complex floating"):
        raise CurateError(f"{name} must be real numbers, not {array.dtype}. Give their real part or their size.")
    return xp.astype(array, xp.float32)


def pair(features: Array, class_weights: Array) -> tuple[ModuleType, Array, Array]:
    """Check features (N, D) and class weights (K, D), which must be finite and not zero."""
    xp = namespace(features, class_weights)
    features = matrix(xp, features, "features")
    class_weights = matrix(xp, class_weights, "class_weights")
    if features.dtype != class_weights.dtype:
        features = xp.astype(features, xp.float64)
        class_weights = xp.astype(class_weights, xp.float64)
    if features.shape[1] != class_weights.shape[1]:
        raise CurateError(
            f"features are {features.shape[1]} wide and class_weights {class_weights.shape[1]}. "
            "Give the input of the last linear layer and that layer's weight."
        )
    if class_weights.shape[0] == 0:
        raise CurateError("class_weights has no rows. At least one class is needed.")
    largest = xp.max(xp.abs(class_weights), axis=1)
    unusable = xp.nonzero(~(xp.isfinite(largest) & (largest > 0)))[0]
    if unusable.shape[0]:
        raise CurateError(
            f"Row {int(unusable[0])} of class_weights is zero or not finite, so no angle to it exists. Give the weight "
            "of a trained layer."
        )
    return xp, features, class_weights


def logit_matrix(xp: ModuleType, logits: Array) -> Array:
    """Return `logits` as a floating matrix; rows whose largest one is infinite are refused.

    NaN stays: it means a sample without an output, whose scores are NaN too. So does -inf, a class that was masked.
    """
    logits = matrix(xp, logits, "logits")
    if 0 in logits.shape:
        return logits
    rows = xp.nonzero(xp.isinf(xp.max(logits, axis=1)))[0]
    if rows.shape[0]:
        raise CurateError(
            f"{rows.shape[0]} rows of logits have an infinite logit or no class at all, the first is row "
            f"{int(rows[0])}. Compute them in float32, or give NaN for images without an output."
        )
    return logits


def label_indices(xp: ModuleType, labels: Array, *, like: Array, num_classes: int) -> Array:
    """Return labels (N,) as int64 on the device of `like`; -1 means no label; others must lie in [0, K)."""
    labels = xp.asarray(labels, device=array_api_compat.device(like))
    if labels.shape != (like.shape[0],):
        raise CurateError(f"labels must have shape ({like.shape[0]},), not {tuple(labels.shape)}.")
    if labels.shape[0] and not xp.isdtype(labels.dtype, "integral"):
        raise CurateError(f"labels must be class indices (integers, -1 for none), not {labels.dtype}.")
    labels = xp.astype(labels, xp.int64)
    outside = xp.nonzero((labels < -1) | (labels >= num_classes))[0]
    if outside.shape[0]:
        first = int(outside[0])
        raise CurateError(
            f"{outside.shape[0]} labels lie outside 0 to {num_classes - 1}, the first is {int(labels[first])} "
            f"at position {first}. Check that labels and class weights belong together."
        )
    return labels


def at_label(xp: ModuleType, values: Array, labels: Array) -> Array:
    """Return values[i, labels[i]], NaN without a label."""
    return where_labelled(xp, xp.take_along_axis(values, rows_of(xp, labels)[:, None], axis=1)[:, 0], labels)


def rows_of(xp: ModuleType, labels: Array) -> Array:
    """Return labels to index rows of classes by: 0 in place of none."""
    return xp.where(labels < 0, xp.zeros_like(labels), labels)


def where_labelled(xp: ModuleType, values: Array, labels: Array) -> Array:
    """Return `values` (N,) with NaN for samples without a label."""
    return nan_unless(xp, labels >= 0, values)


def nan_unless(xp: ModuleType, condition: Array, values: Array) -> Array:
    """Return `values` with NaN where a condition of the same shape does not hold."""
    return xp.where(condition, values, xp.full_like(values, float("nan")))


def is_label(xp: ModuleType, labels: Array, num_classes: int) -> Array:
    """Return booleans (N, K): True at each sample's label."""
    classes = xp.arange(num_classes, device=array_api_compat.device(labels))
    return classes[None, :] == labels[:, None]
