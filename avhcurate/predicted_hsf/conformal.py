"""Intervals of a predicted HSF: beta-binomial ranges, widened or narrowed until they cover as many as they claim.

A range is cut out of the distribution that the model gives HSF of so many votes, by the share of it below (votes tied
at a value count half). Where it is cut is conformal (Vovk et al. 2005; cross-conformal, Barber et al. 2021): at the
quantile that voted samples reach, each judged by a model that did not know its votes. So the claim holds over all
samples like the voted ones, whatever the model; it does not hold within every HSF bin, which `coverage_by_bin` shows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betaln, expit, gammaln

from avhcurate.stats.intervals import wilson
from avhcurate.votes.bins import bin_index, bin_labels

#: Votes of the HSF that an interval is of: more are counted as so many.
_MOST_VOTES = 200
#: Log odds at which intervals are worked out; those between are interpolated.
_GRID = np.linspace(-12, 12, 481)
_BLOCK = 4096


@dataclass(frozen=True)
class Interval:
    """Ends of an interval by log odds: at `_GRID`, (481,) each; `reach` is where the range is cut, up to 1/2."""

    low: np.ndarray
    high: np.ndarray
    reach: float

    def of(self, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ends (N,) at log odds (N,)."""
        return np.interp(odds, _GRID, self.low), np.interp(odds, _GRID, self.high)


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
    reached: np.ndarray, log_precision: float, votes: int, *, level: float = 0.9, weights: np.ndarray | None = None
) -> Interval:
    """Intervals for HSF of `votes` votes of samples like those whose `distances` (n,) are known.

    weights (n,): how many samples each stands for, where the voted ones were drawn with unequal chances.
    """
    weights = np.ones(len(reached)) if weights is None else weights
    order = np.argsort(reached)
    # One more sample, the new one, whose distance is not known and counts as the largest.
    share = np.cumsum(weights[order]) / (weights.sum() + weights.max())
    place = int(np.searchsorted(share, level))
    reach = 0.5 if place == len(order) else float(reached[order[place]])
    votes = min(votes, _MOST_VOTES)
    inside = np.abs(_below(_GRID, log_precision, votes) - 0.5) <= reach
    # Where no number of votes lies within, the range is the expected one alone.
    middle = np.round(expit(_GRID) * votes).astype(np.int64)
    inside[np.arange(len(_GRID)), middle] |= ~inside.any(axis=1)
    low = inside.argmax(axis=1) / votes
    high = 1 - inside[:, ::-1].argmax(axis=1) / votes
    return Interval(np.minimum.accumulate(low[::-1])[::-1], np.maximum.accumulate(high), reach)


def coverage_by_bin(
    low: np.ndarray,
    high: np.ndarray,
    hsf: np.ndarray,
    edges: tuple[float, ...] | None = None,
    weights: np.ndarray | None = None,
) -> pd.DataFrame:
    """How many HSF (n,) lie within their intervals: `bin, n, coverage, coverage_low, coverage_high, width`.

    The row `all` comes first, then one a bin of the HSF that has samples; 95 % intervals are Wilson's. With weights
    (n,), a sample counts so many times, and intervals are those of the effective number of samples (Kish 1965).
    """
    inside, index = (low - 1e-9 <= hsf) & (hsf <= high + 1e-9), bin_index(hsf, edges)
    counted = np.ones(len(hsf)) if weights is None else weights
    rows = []
    for number, name in enumerate(("all", *bin_labels(edges))):
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
