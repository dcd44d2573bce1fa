"""Intervals of a predicted HSF: expected ranges, widened or narrowed until they cover as many as they claim.

A range is as many standard deviations of one vote, `sqrt(p (1 - p))`, to both sides of the predicted HSF p, within 0
and 1. How many is conformal (Vovk et al. 2005; cross-conformal, Barber et al. 2021): what voted samples reach, each
judged by a model that did not know its votes, in each bin of the predicted HSF separately (Mondrian). So the claim
holds over all samples like the voted ones and within these bins, for any model; it does not hold within bins of the
HSF that people gave, which `coverage_by_bin` shows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.bins import bin_index, bin_labels, quantile_bins

#: Bins of predicted HSF, and of the width of intervals, for which coverage is shown.
_FIFTHS = 5
#: Voted samples that a bin of predicted HSF has at least, and the most bins. With 100, as before, intervals from 200
#: voted images of CIFAR-10H held 0.76 to 0.84 of the lowest twentieth.
_PER_BIN = 50
_MOST_BINS = 10


@dataclass(frozen=True)
class Interval:
    """How far intervals reach to both sides, in standard deviations of a vote, in each of B bins of predicted HSF.

    `edges` (B - 1,) are between the bins, `reach` (B,); infinite where too few samples have votes.
    """

    edges: np.ndarray
    reach: np.ndarray

    def of(self, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends (N,) at predicted HSF (N,)."""
        reach = self.reach[np.searchsorted(self.edges, predicted, side="right")] * _deviation(predicted)
        return np.maximum(predicted - reach, 0), np.minimum(predicted + reach, 1)


def conformal_interval(predicted: np.ndarray, hsf: np.ndarray, weights: np.ndarray, *, level: float = 0.9) -> Interval:
    """Return intervals for HSF of samples like those of predicted HSF, within 0 and 1, and HSF, (n,) each.

    weights (n,): how many samples each stands for, where the voted ones were drawn with unequal chances.
    """
    reached = np.abs(hsf - predicted) / _deviation(predicted)
    bins = int(np.clip(len(predicted) // _PER_BIN, 1, _MOST_BINS))
    edges = np.unique(np.quantile(predicted, np.arange(1, bins) / bins))
    edges = edges[edges > predicted.min()]
    reach = np.empty(len(edges) + 1)
    for number in range(len(reach)):
        part = np.searchsorted(edges, predicted, side="right") == number
        order = np.argsort(reached[part])
        # One more sample, the new one, whose distance is not known and counts as the largest.
        share = np.cumsum(weights[part][order]) / (weights[part].sum() + weights[part].max(initial=1.0))
        reach[number] = np.append(reached[part][order], np.inf)[np.searchsorted(share, level)]
    return Interval(edges, reach)


def coverage_by_bin(
    low: np.ndarray, high: np.ndarray, hsf: np.ndarray, weights: np.ndarray, *, predicted: np.ndarray
) -> pd.DataFrame:
    """Return how many HSF (n,) are within their intervals: `of, bin, n, coverage, coverage_low, coverage_high, width`.

    A row of all samples comes first, then one for each bin of the HSF that has samples, and for fifths of the predicted
    HSF (n,) and of the width. A sample counts as often as its weight (n,); 95 % intervals are Wilson's, of the
    effective number of samples (Kish 1965).
    """
    width = high - low
    inside = (low - 1e-9 <= hsf) & (hsf <= high + 1e-9)
    sums = {"n": 1, "w": weights, "square": weights**2, "coverage": weights * inside, "width": weights * width}
    rows = pd.DataFrame(sums, dtype=float)
    groups = {
        "HSF": (bin_index(hsf), bin_labels()),
        "Predicted": quantile_bins(predicted, _FIFTHS),
        "Width": quantile_bins(width, _FIFTHS),
    }
    totals = {("All", "images"): rows.sum()}
    for column, (index, names) in groups.items():
        for number, name in enumerate(names):
            if (index == number).any():
                totals[column, name] = rows[index == number].sum()
    table = pd.DataFrame(totals).T.rename_axis(["of", "bin"])
    table[["coverage", "width"]] = table[["coverage", "width"]].div(table["w"], axis=0)
    effective = table["w"] ** 2 / table["square"]
    table["coverage_low"], table["coverage_high"] = wilson(table["coverage"] * effective, effective)
    return table.drop(columns=["w", "square"]).reset_index()


def _deviation(predicted: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(predicted * (1 - predicted)))
