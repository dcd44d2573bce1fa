"""How well a score finds the samples of a kind: area under the ROC curve."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu

from avhcurate.measures.stats.correlation import Z
from avhcurate.measures.stats.rank_influence import NO_ESTIMATE, Estimate, estimate
from avhcurate.measures.stats.ranks import average_ranks

#: Of fewer samples of either kind DeLong's variance is too small as a rule: 0 for a single one.
_FEW = 50


def auroc(score: np.ndarray, wanted: np.ndarray) -> Estimate:
    """Return the chance that a wanted sample has a higher score than another, ties counted half: (n,) each, no NaN.

    The interval is DeLong's (Biometrics 44, 1988), from the influence of each sample. Below 50 samples of either kind,
    and where the score separates the kinds without a mistake, it is Newcombe's (Statistics in Medicine 25, 2006, method
    5). p is that of 0.5, by the rank sum (Mann and Whitney 1947). NaN where all or none are wanted.

    >>> round(auroc(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False])).value, 3)
    0.75
    """
    n = len(score)
    hits = int(wanted.sum())
    if not 0 < hits < n:
        return NO_ESTIMATE
    within = np.empty(n)
    within[wanted], within[~wanted] = average_ranks(score[wanted]), average_ranks(score[~wanted])
    # The share of the other kind below each sample.
    below = (average_ranks(score) - within) / np.where(wanted, n - hits, hits)
    area = float(below[wanted].mean())
    influence = np.where(wanted, (below - area) * n / hits, (1 - below - area) * n / (n - hits))
    half = estimate(area - 0.5, influence)
    low = max(0.0, half.low + 0.5)
    high = min(1.0, half.high + 0.5)
    if min(hits, n - hits) < _FEW or half.error < 1e-12:
        low, high = _newcombe(area, hits, n - hits)
    p_value = 1.0
    if np.ptp(score) > 0:
        p_value = float(mannwhitneyu(score[wanted], score[~wanted]).pvalue)
    return Estimate(value=area, error=half.error, low=low, high=high, p_value=p_value)


def _newcombe(area: float, hits: int, others: int) -> tuple[float, float]:
    """Return the ends of the areas from which this one lies at most 1.96 of their own standard errors away."""
    weight = (hits + others) / 2 - 1

    def distance(true: float) -> float:
        spread = true * (1 - true) * (1 + weight * (1 - true) / (2 - true) + weight * true / (1 + true))
        return (area - true) ** 2 - Z**2 * spread / (hits * others)

    edge = 1e-12
    low = 0.0
    high = 1.0
    if area > edge:
        low = brentq(distance, 0, min(area, 1 - edge))
    if area < 1 - edge:
        high = brentq(distance, max(area, edge), 1)
    return low, high
