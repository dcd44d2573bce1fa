"""How well a score finds the samples of a kind: area under the ROC curve."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu

from avhcurate.measures.stats.correlation import Z
from avhcurate.measures.stats.rank_influence import NO_ESTIMATE, Estimate


def auroc(score: np.ndarray, wanted: np.ndarray) -> Estimate:
    """Return the chance that a wanted sample has a higher score than another, ties counted half: (n,) each, no NaN.

    The interval is Newcombe's (Statistics in Medicine 25, 2006, method 5). p is that of 0.5, by the rank sum (Mann and
    Whitney 1947). NaN where all or none are wanted.

    >>> round(auroc(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False])).value, 3)
    0.75
    """
    hits = int(wanted.sum())
    others = len(score) - hits
    if not (hits and others):
        return NO_ESTIMATE
    ranked = mannwhitneyu(score[wanted], score[~wanted])
    area = float(ranked.statistic) / (hits * others)
    low, high = _newcombe(area, hits, others)
    return NO_ESTIMATE._replace(value=area, low=low, high=high, p_value=float(ranked.pvalue))


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
