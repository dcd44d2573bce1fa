"""How well a score finds the samples of a kind: area under the ROC curve, and the lift among its first."""

from typing import NamedTuple

import numpy as np

from avhcurate.stats.intervals import wilson
from avhcurate.stats.rank_influence import Estimate, estimate
from avhcurate.stats.ranks import average_ranks

_NAN = float("nan")


class Lift(NamedTuple):
    """How many times more often the samples wanted are among the first `picked` than among all, with its interval."""

    picked: int
    value: float
    low: float
    high: float


def auroc(score: np.ndarray, wanted: np.ndarray, *, groups: np.ndarray | None = None) -> Estimate:
    """Chance that a wanted sample has a higher score than another, ties counted half: (n,) each, no NaN.

    The interval is DeLong's (Biometrics 44, 1988), from the influence of each sample; of `groups` see `estimate`. p is
    that of 0.5. NaN where all or none are wanted.

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
    return Estimate(area, half.error, max(0.0, half.low + 0.5), min(1.0, half.high + 0.5), half.p_value)


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
