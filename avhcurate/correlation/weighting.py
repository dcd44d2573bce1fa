"""Correlations as if every sample had been as likely to be asked about, for votes that a drawing queue collected.

A sample counts as the inverse of the chance that it was asked about (Horvitz and Thompson 1952), in the ranks too.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from avhcurate.stats.correlation import ALL, FEW
from avhcurate.stats.rank_influence import estimate, spearman_influence

COLUMNS = ("weighted", "weighted_low", "weighted_high")
PAIR_COLUMNS = ("weighted_difference", "weighted_difference_low", "weighted_difference_high", "weighted_p_value")


def weighted_table(
    scores: Mapping[str, np.ndarray], hsf: np.ndarray, weights: np.ndarray, index: np.ndarray, labels: Sequence[str]
) -> pd.DataFrame:
    """Spearman of each score with HSF and its interval, `score, bin` and `COLUMNS`; NaN where it does not vary.

    scores, hsf and weights (N,), NaN for none; index (N,) the bin of each sample in `labels`, -1 for none. The
    intervals are of Fisher's z by the influence of each sample, and below `FEW` samples there is none.
    """
    groups = [(ALL, np.ones(len(hsf), bool)), *((label, index == at) for at, label in enumerate(labels))]
    rows = []
    for key, values in scores.items():
        for label, members in groups:
            known = members & ~np.isnan(values) & ~np.isnan(hsf)
            rho, z = _fisher(values[known], hsf[known], weights[known])
            ends = (float("nan"),) * 2
            if z is not None and known.sum() >= FEW:
                found = estimate(float(np.arctanh(rho)), z)
                ends = (float(np.tanh(found.low)), float(np.tanh(found.high)))
            rows.append([key, label, rho, *ends])
    return pd.DataFrame(rows, columns=["score", "bin", *COLUMNS])


def weighted_pairs(
    scores: Mapping[str, np.ndarray], hsf: np.ndarray, weights: np.ndarray, signs: Mapping[str, int]
) -> pd.DataFrame:
    """By how much one score agrees more closely with HSF than another: `first, second` and `PAIR_COLUMNS`.

    The difference is of Fisher's z, each turned by its sign until positive means agreement, over the samples with both
    scores, with a 95 % interval and the two-sided p that it is 0, by the influence of each sample on both; NaN below
    `FEW` samples.
    """
    rows, kept = [], dict[tuple[str, bytes], tuple[float, np.ndarray | None]]()

    def of(key: str, known: np.ndarray) -> tuple[float, np.ndarray | None]:
        """Most scores are known of the same samples, and ranked on them once."""
        at = key, known.tobytes()
        if at not in kept:
            kept[at] = _fisher(scores[key][known], hsf[known], weights[known])
        return kept[at]

    for first, second in combinations(signs, 2):
        known = ~(np.isnan(scores[first]) | np.isnan(scores[second]) | np.isnan(hsf))
        found = [of(key, known) for key in (first, second)]
        values = [float("nan")] * 4
        if known.sum() >= FEW and all(z is not None for _, z in found):
            (one, first_z), (other, second_z) = found
            moved = signs[first] * np.asarray(first_z) - signs[second] * np.asarray(second_z)
            test = estimate(signs[first] * np.arctanh(one) - signs[second] * np.arctanh(other), moved)
            values = [test.value, test.low, test.high, test.p_value]
        rows.append([first, second, *map(float, values)])
    return pd.DataFrame(rows, columns=["first", "second", *PAIR_COLUMNS])


def _fisher(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray | None]:
    """Weighted Spearman, and the influence (n,) of each sample on its Fisher z; None where that does not exist."""
    if len(x) < 3:
        return float("nan"), None
    rho, influence = spearman_influence(x, y, weights)
    return rho, None if not abs(rho) < 1 else influence / (1 - rho * rho)
