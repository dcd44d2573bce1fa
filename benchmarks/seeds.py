"""A mean over seeds with its 95 % interval, by Student."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

_NAN = float("nan")


class Mean(NamedTuple):
    """A mean over `n` seeds with its 95 % interval (Student's t) and the two-sided p of a mean of 0; NaN below 2."""

    n: int
    value: float
    low: float = _NAN
    high: float = _NAN
    p: float = _NAN


def mean_over_seeds(values: ArrayLike) -> Mean:
    """Return the mean of values (n,), one a seed, NaN for none; of differences, `p` is the paired t-test's.

    >>> mean = mean_over_seeds([0.1, 0.2, 0.3])
    >>> mean.n, round(mean.value, 3), round(mean.low, 3), round(mean.high, 3), round(mean.p, 3)
    (3, 0.2, -0.048, 0.448, 0.074)
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if not len(known):
        return Mean(0, _NAN)
    mean = float(known.mean())
    if len(known) < 2:
        return Mean(len(known), mean)
    if np.ptp(known) == 0:
        return Mean(len(known), mean, low=mean, high=mean)
    free = len(known) - 1
    error = known.std(ddof=1) / np.sqrt(len(known))
    half = float(stdtrit(free, 0.975) * error)
    return Mean(len(known), mean, low=mean - half, high=mean + half, p=float(2 * stdtr(free, -abs(mean / error))))
