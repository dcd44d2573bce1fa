"""Intervals of a predicted HSF: beta-binomial ranges, widened or narrowed until they cover as many as they claim.

A range is cut out of the distribution that the model gives HSF of so many votes, by the share of it below (votes tied
at a value count half). Where it is cut is conformal (Vovk et al. 2005; cross-conformal, Barber et al. 2021): at the
quantile that voted samples reach, each judged by a model that did not know its votes, in each bin of the predicted HSF
separately (Mondrian). So the claim holds over all samples like the voted ones and within these bins, for any model; it
does not hold within bins of the HSF that people gave, which `coverage_by_bin` shows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import betabinom

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.bins import bin_index, bin_labels, quantile_bins

#: The most votes of the HSF that an interval is of.
_MOST_VOTES = 200
#: Log odds at which intervals are computed; those between are interpolated.
_GRID = np.linspace(-12, 12, 481)
#: Bins of predicted HSF, and of the width of intervals, for which coverage is shown.
_FIFTHS = 5
#: Voted samples that a bin of predicted HSF has at least, and the most bins.
_PER_BIN = 100
_MOST_BINS = 10


@dataclass(frozen=True)
class Interval:
    """Ends of an interval by log odds at `_GRID`, low and high (B, 481), in each of B bins of log odds.

    `edges` (B - 1,) are between the bins; `reach` (B,) is where the range is cut in each, up to 1/2.
    """

    edges: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reach: np.ndarray

    def of(self, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends (N,) at log odds (N,)."""
        index = np.searchsorted(self.edges, odds, side="right")
        low = np.empty(len(odds))
        high = np.empty(len(odds))
        for number in np.unique(index):
            rows = index == number
            low[rows] = np.interp(odds[rows], _GRID, self.low[number])
            high[rows] = np.interp(odds[rows], _GRID, self.high[number])
        return low, high


def distances(odds: np.ndarray, log_precision: float, hits: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Return how far each HSF is from the middle of its distribution, (n,) in [0, 1/2].

    >>> distances(np.zeros(3), np.log(2), np.array([0, 1, 2]), np.array([2, 2, 2])).round(3).tolist()
    [0.333, 0.0, 0.333]
    """
    n = np.minimum(votes, _MOST_VOTES)
    k = np.round(hits * n / votes).astype(np.int64)
    below = np.empty(len(odds))
    for size in np.unique(n):
        rows = np.flatnonzero(n == size)
        below[rows] = _below(odds[rows], log_precision, int(size))[np.arange(len(rows)), k[rows]]
    return np.abs(below - 0.5)


def conformal_interval(
    odds: np.ndarray, reached: np.ndarray, weights: np.ndarray, log_precision: float, votes: int, *, level: float = 0.9
) -> Interval:
    """Return intervals for HSF of `votes` votes of samples like those of log odds (n,) with `distances` (n,).

    weights (n,): how many samples each stands for, where the voted ones were drawn with unequal chances.
    """
    votes = min(votes, _MOST_VOTES)
    bins = int(np.clip(len(odds) // _PER_BIN, 1, _MOST_BINS))
    edges = np.unique(np.quantile(odds, np.arange(1, bins) / bins))
    edges = edges[edges > odds.min()]
    reach = np.empty(len(edges) + 1)
    for number in range(len(reach)):
        part = np.searchsorted(edges, odds, side="right") == number
        order = np.argsort(reached[part])
        # One more sample, the new one, whose distance is not known and counts as the largest; 1/2 for too few.
        share = np.cumsum(weights[part][order]) / (weights[part].sum() + weights[part].max(initial=1.0))
        reach[number] = np.append(reached[part][order], 0.5)[np.searchsorted(share, level)]
    inside = np.abs(_below(_GRID, log_precision, votes) - 0.5) <= reach[:, None, None]
    # Where no number of votes is within reach, the range is the expected one only.
    inside[:, np.arange(len(_GRID)), np.round(expit(_GRID) * votes).astype(np.int64)] |= ~inside.any(axis=2)
    # Half a vote more: HSF of a few votes more or less is between those of `votes`.
    first = inside.argmax(axis=2) - 0.5
    last = votes - inside[:, :, ::-1].argmax(axis=2) + 0.5
    low = np.minimum.accumulate(first[:, ::-1], axis=1)[:, ::-1] / votes
    high = np.maximum.accumulate(last, axis=1) / votes
    return Interval(edges, np.clip(low, 0, 1), np.clip(high, 0, 1), reach)


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


def _below(odds: np.ndarray, log_precision: float, votes: int) -> np.ndarray:
    """Return the share of the beta-binomial distribution below each number of votes, that number counted half."""
    chance = np.clip(expit(odds), 1e-9, 1 - 1e-9)[:, None]
    precision = np.exp(log_precision)
    mass = betabinom.pmf(np.arange(votes + 1), votes, precision * chance, precision * (1 - chance))
    return np.cumsum(mass, axis=1) - mass / 2
