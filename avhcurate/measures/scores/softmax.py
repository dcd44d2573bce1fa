"""The softmax output, exact also near 0 and 1."""

from types import ModuleType

import array_api_compat

from avhcurate.measures.scores.inputs import Array, is_label


def log_probs(xp: ModuleType, logits: Array) -> Array:
    """Return log softmax (N, K), exact to the last digit also where one probability is nearly 1.

    The largest class's own term is left out of the sum before the logarithm, so log p = -1e-12 does not become 0.
    """
    if logits.shape[0] == 0:
        return logits
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    first = xp.argmax(shifted, axis=1)
    others = xp.where(is_label(xp, first, logits.shape[1]), xp.zeros_like(shifted), xp.exp(shifted))
    return shifted - xp.log1p(xp.sum(others, axis=1, keepdims=True))


def double(xp: ModuleType, values: Array) -> Array:
    """Return `values` in float64 where the device has it, so that probabilities next to 1 keep their order."""
    if "mps" in str(array_api_compat.device(values)):
        return values
    return xp.astype(values, xp.float64)
