"""Means over seeds: how far the same method differs by chance, and whether two methods differ by more."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Mean(NamedTuple):
    """A mean over `n` seeds with its 95 % interval (Student's t) and the two-sided p of a mean of 0; NaN below 2."""

    n: int
    value: float
    low: float
    high: float
    p: float


def mean_over_seeds(values: ArrayLike) -> Mean:
    """Of a value a seed (n,), NaN for none. Of differences within seeds, `p` is that of the paired t-test.

    >>> found = mean_over_seeds([0.1, 0.2, 0.3])
    >>> found.n, round(found.value, 3), round(found.low, 3), round(found.high, 3), round(found.p, 3)
    (3, 0.2, -0.048, 0.448, 0.074)
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    n, mean = len(known), float(known.mean()) if len(known) else float("nan")
    if n < 2:
        return Mean(n, mean, *[float("nan")] * 3)
    error = float(known.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf(0.975, n - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if error else float("nan")
    return Mean(n, mean, mean - half, mean + half, p)
