"""How well a score finds the samples of a kind: area under the ROC curve, and the lift among its first."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu

from avhcurate.stats.intervals import wilson
from avhcurate.stats.rank_influence import Estimate, estimate
from avhcurate.stats.ranks import average_ranks

_NAN = float("nan")
#: Of fewer samples of either kind DeLong's variance is too small as a rule: 0 for a single one.
_FEW = 50
#: Up to so many samples, and no ties, the chance of a rank sum is counted out.
_EXACT = 500
#: Square of the standard errors from the middle of a 95 % interval to its ends.
_Z2 = 3.8414588


class Lift(NamedTuple):
    """How many times more often the samples wanted are among the first `picked` than among all, with its interval."""

    picked: int
    value: float
    low: float
    high: float


def auroc(score: np.ndarray, wanted: np.ndarray, *, groups: np.ndarray | None = None) -> Estimate:
    """Chance that a wanted sample has a higher score than another, ties counted half: (n,) each, no NaN.

    The interval is DeLong's (Biometrics 44, 1988), from the influence of each sample; of `groups` see `estimate`. Below
    50 samples of either kind, and where the kinds are told apart without a mistake, it is Newcombe's (Statistics in
    Medicine 25, 2006, method 5). p is that of 0.5, by the rank sum (Mann and Whitney 1947), with groups by influence.
    NaN where all or none are wanted.

    >>> round(auroc(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False])).value, 3)
    0.75
    """
    n, hits = len(score), int(wanted.sum())
    if not 0 < hits < n:
        return Estimate(*[_NAN] * 5)
    within = np.empty(n)
    within[wanted], within[~wanted] = average_ranks(score[wanted]), average_ranks(score[~wanted])
    # Of each sample the share of those of the other kind below it.
    below = (average_ranks(score) - within) / np.where(wanted, n - hits, hits)
    area = float(below[wanted].mean())
    influence = np.where(wanted, (below - area) * n / hits, (1 - below - area) * n / (n - hits))
    half = estimate(area - 0.5, influence, groups=groups)
    low, high = max(0.0, half.low + 0.5), min(1.0, half.high + 0.5)
    if groups is not None:
        return Estimate(area, half.error, low, high, half.p_value)
    if min(hits, n - hits) < _FEW or half.error < 1e-12:
        low, high = _few(area, hits, n - hits)
    method = "exact" if n <= _EXACT and len(np.unique(score)) == n else "asymptotic"
    p = float(mannwhitneyu(score[wanted], score[~wanted], method=method).pvalue) if np.ptp(score) else 1.0
    return Estimate(area, half.error, low, high, p)


def _few(area: float, hits: int, others: int) -> tuple[float, float]:
    """Newcombe's interval of an area: the areas from which this one lies at most 1.96 of their own errors away."""
    more = (hits + others) / 2 - 1

    def apart(true: float) -> float:
        spread = true * (1 - true) * (1 + more * (1 - true) / (2 - true) + more * true / (1 + true))
        return (area - true) ** 2 - _Z2 * spread / (hits * others)

    edge = 1e-12
    low = 0.0 if area <= edge else brentq(apart, 0, min(area, 1 - edge))
    high = 1.0 if area >= 1 - edge else brentq(apart, max(area, edge), 1)
    return float(low), float(high)


def lift(score: np.ndarray, wanted: np.ndarray, *, share: float = 0.1) -> Lift:
    """Lift among the `share` of samples with the highest scores, Wilson's interval; ties at the cut count in part.

    The share of the wanted among all is taken as known. NaN where none is wanted.

    >>> lift(np.arange(10.0), np.arange(10) >= 8, share=0.2).value
    5.0
    """
    n, base = len(score), float(wanted.mean()) if len(wanted) else 0.0
    picked = max(1, round(share * n))
    if not base:
        return Lift(picked, _NAN, _NAN, _NAN)
    cut = np.partition(score, n - picked)[n - picked]
    above, tied = score > cut, score == cut
    hits = wanted[above].sum() + wanted[tied].mean() * (picked - above.sum())
    low, high = wilson(hits, picked)
    return Lift(picked, *(float(value) / base for value in (hits / picked, low, high)))
