"""Correlations as if every sample had been as likely to be asked about, for votes that a drawing queue collected.

A sample counts as the inverse of the chance that it was asked about (Horvitz and Thompson 1952), in the ranks too.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from avhcurate.measures.stats.correlation import ALL, FEW
from avhcurate.measures.stats.rank_influence import NO_ESTIMATE, fisher_estimate, spearman_influence

COLUMNS = ("weighted", "weighted_low", "weighted_high")


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
