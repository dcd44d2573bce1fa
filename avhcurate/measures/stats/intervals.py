"""95 % intervals: Wilson's of a share, and of a ratio. They need no statistics library, which is slow to import."""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

_NAN = float("nan")


def wilson(successes: ArrayLike, trials: ArrayLike, *, comparisons: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % Wilson score interval of a share (Wilson 1927); NaN where there were no trials.

    So many `comparisons` hold their shares all at once in 95 % (Bonferroni).

    >>> [float(end.round(4)) for end in wilson(3, 4)]
    [0.3006, 0.9544]
    """
    z = NormalDist().inv_cdf(1 - 0.025 / comparisons)
    k = np.asarray(successes, float)
    n = np.asarray(trials, float)
    n = np.where(n > 0, n, np.nan)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(k * (n - k) / n + z * z / 4)
    # At 0 and at n successes the ends are 0 and 1 by algebra; rounding must not push them past.
    return np.where(k == 0, 0 * n, centre - half), np.where(k == n, 1.0, centre + half)


def share(hits: int, n: int) -> tuple[int, float, float, float]:
    """Return n, the share of hits among them and the ends of its Wilson interval; NaN where n is 0."""
    if n == 0:
        return 0, _NAN, _NAN, _NAN
    low, high = wilson(hits, n)
    return int(n), float(hits / n), float(low), float(high)


def ratio(above: tuple[float, float, float], below: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return a value over another one above 0, with the ends of its interval, from the value and ends of each.

    Fieller's interval for intervals of any form (Li, Tang and Wong, Contemporary Clinical Trials 31, 2010). NaN for
    both ends where the interval below reaches 0: the ratio has no bound.

    >>> [round(end, 3) for end in ratio((0.0, -0.2, 0.2), (0.8, 0.7, 0.9))]
    [0.0, -0.252, 0.252]
    """
    top, low, high = above
    bottom, least, most = below
    value = top / bottom
    if not least > 0:
        return value, _NAN, _NAN
    ends = []
    for sign, end, other in ((-1, low, most), (1, high, least)):
        against = other * (2 * bottom - other)
        if not against > 0:
            return value, _NAN, _NAN
        square = (top * bottom) ** 2 - end * (2 * top - end) * against
        ends.append((top * bottom + sign * max(square, 0.0) ** 0.5) / against)
    return value, ends[0], ends[1]
