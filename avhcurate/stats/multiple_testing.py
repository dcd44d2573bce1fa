"""p-values corrected for how many hypotheses were tried."""

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values (m,) adjusted by Holm's step-down method (Holm 1979), which bounds the chance of any false rejection.

    An entry may be compared with 0.05 as if it stood alone. NaN marks a hypothesis without a test: it stays NaN and
    does not count. Raises CurateError for values outside 0 to 1.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    tested = np.flatnonzero(~np.isnan(p))
    if ((p[tested] < 0) | (p[tested] > 1)).any():
        raise CurateError("p-values lie between 0 and 1")
    order = tested[np.argsort(p[tested], kind="stable")]
    remaining = len(order) - np.arange(len(order))
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * remaining), 1)
    return adjusted
