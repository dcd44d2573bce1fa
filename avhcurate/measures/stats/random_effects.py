"""The mean of an effect over units that differ, as classes do: DerSimonian and Laird, interval by Hartung and Knapp."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, t

_NAN = float("nan")


class RandomEffects(NamedTuple):
    """A mean over n units with its 95 % interval and p of 0, and how the units differ.

    spread: standard deviation of the true effects of the units. differ_p: p that they are all the same (Cochran's Q).
    """

    n: int
    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    p_value: float = _NAN
    spread: float = _NAN
    differ_p: float = _NAN


def random_effects(values: ArrayLike, errors: ArrayLike) -> RandomEffects:
    """Return the mean of effects (n,) with standard errors (n,) above 0, without units with a NaN; NaN below 2 units.

    R. DerSimonian, N. Laird: Controlled Clinical Trials 7 (1986) 177-188; J. Hartung, G. Knapp: Statistics in Medicine
    20 (2001) 3875-3889, whose standard error is never taken smaller than the usual one.

    >>> found = random_effects([0.2, 0.4, 0.6], [0.1, 0.1, 0.1])
    >>> [round(number, 3) for number in found]
    [3, 0.4, -0.097, 0.897, 0.074, 0.173, 0.018]
    """
    effects = np.asarray(values, float)
    spreads = np.asarray(errors, float)
    units = np.isfinite(effects) & np.isfinite(spreads)
    effects = effects[units]
    squares = spreads[units] ** 2
    n = len(effects)
    if n == 0:
        return RandomEffects(n)
    if n == 1:
        return RandomEffects(n, value=float(effects[0]))
    weights = 1 / squares
    q = float(weights @ (effects - np.average(effects, weights=weights)) ** 2)
    between = max(0.0, (q - (n - 1)) / (weights.sum() - (weights**2).sum() / weights.sum()))
    weights = 1 / (squares + between)
    mean = float(np.average(effects, weights=weights))
    scale = max(1.0, float(weights @ (effects - mean) ** 2) / (n - 1))
    error = float(np.sqrt(scale / weights.sum()))
    reach = float(t.ppf(0.975, n - 1)) * error
    return RandomEffects(
        n=n,
        value=mean,
        low=mean - reach,
        high=mean + reach,
        p_value=float(2 * t.sf(abs(mean) / error, n - 1)),
        spread=float(between**0.5),
        differ_p=float(chi2.sf(q, n - 1)),
    )
