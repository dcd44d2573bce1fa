"""Correlations as if every sample had been as likely to be asked about, for votes that a drawing queue collected.

A sample counts as the inverse of the chance that it was asked about (Horvitz and Thompson 1952), in the ranks too.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from avhcurate.stats.correlation import ALL, FEW
from avhcurate.stats.rank_influence import NO_ESTIMATE, estimate, fisher_estimate, spearman_influence

COLUMNS = ("weighted", "weighted_low", "weighted_high")
PAIR_COLUMNS = ("weighted_difference", "weighted_difference_low", "weighted_difference_high", "weighted_p_value")


def weighted_table(
    scores: Mapping[str, np.ndarray], hsf: np.ndarray, weights: np.ndarray, index: np.ndarray, labels: Sequence[str]
) -> pd.DataFrame:
    """Return Spearman of each score with HSF and its interval, `score, bin` and `COLUMNS`; NaN where it does not vary.

    scores, hsf and weights (N,), NaN for none; index (N,) the bin of each sample in `labels`, -1 for none. The
    intervals are of Fisher's z by the influence of each sample; below `FEW` samples there is none.
    """
    rows = []
    for key, values in scores.items():
        for number, label in enumerate([ALL, *labels], start=-1):
            known = ~np.isnan(values) & ~np.isnan(hsf)
            if label != ALL:
                known &= index == number
            rho, influence = spearman_influence(values[known], hsf[known], weights[known])
            found = fisher_estimate(rho, influence)
            if len(influence) < FEW:
                found = NO_ESTIMATE
            rows.append([key, label, rho, found.low, found.high])
    return pd.DataFrame(rows, columns=["score", "bin", *COLUMNS])


def weighted_pairs(
    scores: Mapping[str, np.ndarray], hsf: np.ndarray, weights: np.ndarray, signs: Mapping[str, int]
) -> pd.DataFrame:
    """Return by how much one score agrees more closely with HSF than another: `first, second` and `PAIR_COLUMNS`.

    The difference is of Fisher's z, each turned by its sign until positive means agreement, over the samples with both
    scores, with a 95 % interval and the two-sided p that it is 0, by the influence of each sample on both; NaN below
    `FEW` samples.
    """
    rows = []
    for first, second in combinations(signs, 2):
        known = ~(np.isnan(scores[first]) | np.isnan(scores[second]) | np.isnan(hsf))
        found = NO_ESTIMATE
        if known.sum() >= FEW:
            value, moved = 0.0, np.zeros(known.sum())
            for key, sign in ((first, signs[first]), (second, -signs[second])):
                rho, influence = spearman_influence(scores[key][known], hsf[known], weights[known])
                with np.errstate(divide="ignore", invalid="ignore"):
                    value += sign * np.arctanh(rho)
                    moved += sign * influence / (1 - rho * rho)
            if np.isfinite(moved).all():
                found = estimate(float(value), moved)
        rows.append([first, second, found.value, found.low, found.high, found.p_value])
    return pd.DataFrame(rows, columns=["first", "second", *PAIR_COLUMNS])
