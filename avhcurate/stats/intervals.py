"""95 % intervals: Wilson's of a share, and Student's of a mean over seeds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtri

from avhcurate.errors import CurateError


def wilson(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a share at the given confidence level (Wilson 1927); NaN where there were no trials.

    >>> [float(end.round(4)) for end in wilson(3, 4)]
    [0.3006, 0.9544]
    """
    check_level(level)
    k, n = np.asarray(successes, float), np.asarray(trials, float)
    z = ndtri((1 + level) / 2)
    n = np.where(n > 0, n, np.nan)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(k * (n - k) / n + z * z / 4)
    # At 0 and at n successes the ends are 0 and 1 by algebra; rounding must not push them past.
    low = np.where(k == 0, np.where(np.isnan(n), np.nan, 0.0), centre - half)
    high = np.where(k == n, 1.0, centre + half)
    return low, high


def share(hits: int, n: int) -> tuple[int, float, float, float]:
    """n, the share of hits among them and the ends of its Wilson interval; NaN where n is 0."""
    low, high = wilson(hits, n)
    return int(n), float(hits / n) if n else float("nan"), float(low), float(high)


def check_level(level: float) -> None:
    """Refuses a confidence level outside (0, 1)."""
    if not 0 < level < 1:
        raise CurateError(f"the confidence level must lie between 0 and 1, as 0.95 does; it was {level}")


class Mean(NamedTuple):
    """A mean over `n` seeds with its 95 % interval (Student's t) and the two-sided p of a mean of 0; NaN below 2."""

    n: int
    value: float
    low: float
    high: float
    p: float


def mean_over_seeds(values: ArrayLike) -> Mean:
    """The mean of values (n,), one a seed, NaN for none. Of differences within seeds, `p` is that of the paired t-test.

    >>> mean = mean_over_seeds([0.1, 0.2, 0.3])
    >>> mean.n, round(mean.value, 3), round(mean.low, 3), round(mean.high, 3), round(mean.p, 3)
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
