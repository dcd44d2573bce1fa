"""Intervals of a predicted HSF: beta-binomial ranges, widened or narrowed until they cover as many as they claim.

A range is cut out of the distribution that the model gives HSF of so many votes, by the share of it below (votes tied
at a value count half). Where it is cut is conformal (Vovk et al. 2005; cross-conformal, Barber et al. 2021): at the
quantile that voted samples reach, each judged by a model that did not know its votes, in each bin of the predicted HSF
by itself (Mondrian). So the claim holds over all samples like the voted ones and within these bins, whatever the model;
it does not hold within bins of the HSF that people gave, which `coverage_by_bin` shows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betaln, expit, gammaln

from avhcurate.stats.intervals import wilson
from avhcurate.votes.bins import bin_index, bin_labels, quantile_bins

#: Votes of the HSF that an interval is of: more are counted as so many.
_MOST_VOTES = 200
#: Log odds at which intervals are worked out; those between are interpolated.
_GRID = np.linspace(-12, 12, 481)
_BLOCK = 4096
#: Bins of predicted HSF of which coverage is told.
_FIFTHS = 5


#: Voted samples that a bin of predicted HSF has at least, and the most bins.
_PER_BIN, _MOST_BINS = 100, 10


@dataclass(frozen=True)
class Interval:
    """Ends of an interval by log odds at `_GRID`, low and high (B, 481), in each of B bins of log odds.

    `edges` (B - 1,) lie between the bins; `reach` (B,) is where the range is cut in each, up to 1/2.
    """

    edges: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reach: np.ndarray

    def of(self, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ends (N,) at log odds (N,)."""
        index, low, high = np.searchsorted(self.edges, odds, side="right"), np.empty(len(odds)), np.empty(len(odds))
        for number in np.unique(index):
            rows = index == number
            low[rows] = np.interp(odds[rows], _GRID, self.low[number])
            high[rows] = np.interp(odds[rows], _GRID, self.high[number])
        return low, high


def distances(odds: np.ndarray, log_precision: float, hits: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """How far each HSF lies from the middle of its distribution, (n,) in [0, 1/2].

    >>> distances(np.zeros(3), np.log(2), np.array([0, 1, 2]), np.array([2, 2, 2])).round(3).tolist()
    [0.333, 0.0, 0.333]
    """
    n = np.minimum(votes, _MOST_VOTES)
    k = np.round(hits * n / votes).astype(np.int64)
    found = np.empty(len(odds))
    for size in np.unique(n):
        rows = np.flatnonzero(n == size)
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            below = _below(odds[part], log_precision, int(size))
            found[part] = np.abs(below[np.arange(len(part)), k[part]] - 0.5)
    return found


def conformal_interval(
    odds: np.ndarray,
    reached: np.ndarray,
    log_precision: float,
    votes: int,
    *,
    level: float = 0.9,
    weights: np.ndarray | None = None,
) -> Interval:
    """Intervals for HSF of `votes` votes of samples like those of log odds (n,) whose `distances` (n,) are known.

    weights (n,): how many samples each stands for, where the voted ones were drawn with unequal chances.
    """
    weights = np.ones(len(reached)) if weights is None else weights
    bins = int(np.clip(len(odds) // _PER_BIN, 1, _MOST_BINS))
    edges = np.unique(np.quantile(odds, np.arange(1, bins) / bins))
    edges = edges[edges > odds.min()]
    index = np.searchsorted(edges, odds, side="right")
    reach = np.array(
        [_reach(reached[index == number], weights[index == number], level) for number in range(len(edges) + 1)]
    )
    votes = min(votes, _MOST_VOTES)
    far = np.abs(_below(_GRID, log_precision, votes) - 0.5)
    middle = np.round(expit(_GRID) * votes).astype(np.int64)
    low, high = np.empty((2, len(reach), len(_GRID)))
    for number, most in enumerate(reach):
        inside = far <= most
        # Where no number of votes lies within, the range is the expected one alone.
        inside[np.arange(len(_GRID)), middle] |= ~inside.any(axis=1)
        # Half a vote on: HSF of a few votes more or less lies between those of `votes`.
        first, last = inside.argmax(axis=1) - 0.5, votes - inside[:, ::-1].argmax(axis=1) + 0.5
        low[number] = np.minimum.accumulate(first[::-1])[::-1] / votes
        high[number] = np.maximum.accumulate(last) / votes
    return Interval(edges, np.clip(low, 0, 1), np.clip(high, 0, 1), reach)


def _reach(reached: np.ndarray, weights: np.ndarray, level: float) -> float:
    """The distance that samples reach at a level; 1/2 where there are too few to tell."""
    order = np.argsort(reached)
    # One more sample, the new one, whose distance is not known and counts as the largest.
    share = np.cumsum(weights[order]) / (weights.sum() + weights.max(initial=1.0))
    place = int(np.searchsorted(share, level))
    return 0.5 if place == len(order) else float(reached[order[place]])


def coverage_by_bin(
    low: np.ndarray,
    high: np.ndarray,
    hsf: np.ndarray,
    edges: tuple[float, ...] | None = None,
    *,
    weights: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
) -> pd.DataFrame:
    """How many HSF (n,) lie within their intervals: `bin, n, coverage, coverage_low, coverage_high, width`.

    The row `all` comes first, then one a bin of the HSF that has samples, or of the predicted HSF (n,), in fifths.
    95 % intervals are Wilson's. With weights (n,), a sample counts so many times, and intervals are those of the
    effective number of samples (Kish 1965).
    """
    inside = (low - 1e-9 <= hsf) & (hsf <= high + 1e-9)
    if predicted is None:
        index, names = bin_index(hsf, edges), bin_labels(edges)
    else:
        index, names = quantile_bins(predicted, _FIFTHS)
    counted = np.ones(len(hsf)) if weights is None else weights
    rows = []
    for number, name in enumerate(("all", *names)):
        members = index == number - 1 if number else np.ones(len(hsf), bool)
        if n := int(members.sum()):
            share, width = (np.average(values[members], weights=counted[members]) for values in (inside, high - low))
            effective = counted[members].sum() ** 2 / (counted[members] ** 2).sum()
            ends = wilson(np.array([share * effective]), np.array([effective]))
            rows.append((name, n, share, ends[0][0], ends[1][0], width))
    return pd.DataFrame(rows, columns=["bin", "n", "coverage", "coverage_low", "coverage_high", "width"])


def _below(odds: np.ndarray, log_precision: float, votes: int) -> np.ndarray:
    """Share of the beta-binomial distribution below each number of votes, that number counted half: (n, votes + 1)."""
    k = np.arange(votes + 1)
    chance, precision = np.clip(expit(odds), 1e-9, 1 - 1e-9)[:, None], np.exp(log_precision)
    a, b = precision * chance, precision * (1 - chance)
    log_choose = gammaln(votes + 1) - gammaln(k + 1) - gammaln(votes - k + 1)
    mass = np.exp(log_choose + betaln(a + k, b + votes - k) - betaln(a, b))
    return np.cumsum(mass, axis=1) - mass / 2
