"""How many more votes, or samples, until a score's Spearman correlation with HSF has an interval as narrow as asked.

Two things make the correlation uncertain. Noise in HSF weakens it, and more votes take noise away: by how much depends
on where the score orders the samples, so the votes are modelled (`stats.vote_mixture`) within tenths of the score, and
the correlation with HSF of more votes is what these mixtures expect. And the samples are a sample: the interval
(Fisher's z, Bonett and Wright) narrows with the square root of their number, whatever the votes.

So more votes narrow the interval only as far as a larger |rho| has a narrower one. More samples, at the same votes
each, always do. The mixtures are taken as known.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.stats.correlation import fisher_interval
from avhcurate.stats.ranks import rank_shares, spearman, standard_ranks
from avhcurate.stats.vote_mixture import MOST_VOTES, Outcomes, VoteKinds, rounded_votes

#: Groups by score, each with a mixture of its own, and samples that one needs.
_GROUPS, _GROUP = 10, 50


@dataclass(frozen=True)
class Need:
    """What it takes to make an interval as narrow as asked.

    samples, votes: what there is now; votes is the mean number a sample has.
    width: asked for; width_now: of the interval now; width_at_best: the narrowest with up to `MOST_VOTES` votes each.
    votes_needed: votes that every sample should have at least to reach it; None where votes cannot do it.
    more_votes: how many more in all that is; None likewise.
    samples_needed: samples to reach it at the present votes each.
    """

    samples: int
    votes: float
    width: float
    width_now: float
    width_at_best: float
    votes_needed: int | None
    more_votes: int | None
    samples_needed: int


class VoteForecast:
    """The Spearman correlation of a score with HSF (`rho`), now and to be expected when the samples have more votes.

    score, hits of votes: (N,) each, votes 1 or more; without NaN. The score must not have been made from these votes.
    Raises CurateError where there is no correlation: fewer than 4 samples, or no variation.
    """

    def __init__(self, score: ArrayLike, hits: ArrayLike, votes: ArrayLike) -> None:
        values = np.asarray(score, float)
        of, self.votes = np.asarray(hits, np.int64), np.asarray(votes, np.int64)
        if len(values) < 4:
            raise CurateError(f"an interval needs 4 samples or more; there are {len(values)}: collect more votes first")
        if (self.votes >= 2).sum() < 3:
            raise CurateError("fewer than three samples have two votes or more: collect a few votes a sample first")
        self.rho = spearman(standard_ranks(values), standard_ranks(of / self.votes))
        if not abs(self.rho) < 1:
            raise CurateError("HSF or the score does not vary, or they agree in full: collect more votes first")
        places = rank_shares(values)
        groups = max(1, min(_GROUPS, len(values) // _GROUP))
        group = np.minimum((places * groups).astype(np.int64), groups - 1)
        group = np.unique(group, return_inverse=True)[1]
        counts = VoteKinds.of(of, self.votes)
        self._weights = counts.fit(counts.counts(groups=group))
        self._shares = np.bincount(group) / len(values)
        self._places = np.bincount(group, places) / np.bincount(group) - 0.5
        self._now = self._covariance(0)

    def expected(self, votes: int) -> float:
        """The correlation to expect once every sample has `votes` votes at least; those with more keep theirs."""
        if abs(self._now) < 1e-9:
            return self.rho
        return float(np.clip(self.rho * self._covariance(votes) / self._now, -1 + 1e-9, 1 - 1e-9))

    def more(self, votes: int) -> int:
        """How many votes are missing until every sample has so many."""
        return int(np.maximum(0, votes - self.votes).sum())

    def _covariance(self, least: int) -> float:
        """Covariance of the places of the groups with their mean rank by HSF, over the spread of the ranks."""
        raised = np.maximum(self.votes, least)
        sizes, times = np.unique(rounded_votes(raised, raised)[1], return_counts=True)
        shares = times / times.sum()
        means, variance = Outcomes(sizes).expected_ranks(shares, self._shares @ self._weights)
        of_groups = self._weights @ (shares @ means)
        return float((self._shares * self._places) @ of_groups / math.sqrt(variance)) if variance > 0 else 0.0


def votes_needed(forecast: VoteForecast, *, width: float) -> Need:
    """What narrows the 95 % interval of a Spearman correlation to `width` (from end to end, between 0 and 2)."""
    if not 0 < width < 2:
        raise CurateError(f"the width of an interval lies between 0 and 2; it was {width}")
    samples, votes = len(forecast.votes), float(forecast.votes.mean())
    now = _width(forecast.rho, samples)
    by_samples = _least(lambda n: _width(forecast.rho, n) <= width, samples, 1 << 40)
    assert by_samples is not None
    if now <= width:
        return Need(samples, votes, width, now, now, math.ceil(votes), 0, by_samples)
    ladder = np.unique(np.geomspace(max(1, forecast.votes.min()), MOST_VOTES, 40).round().astype(int)).tolist()
    widths = {least: _width(forecast.expected(least), samples) for least in ladder}
    enough = None
    for below, least in pairwise(ladder):
        if widths[least] <= width:
            enough = _least(lambda v: _width(forecast.expected(v), samples) <= width, below + 1, least)
            break
    more = None if enough is None else forecast.more(enough)
    return Need(samples, votes, width, now, min(now, *widths.values()), enough, more, by_samples)


def _width(rho: float, samples: int) -> float:
    """Width of the interval."""
    low, high = fisher_interval(rho, samples)
    return high - low


def _least(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The least whole number in [low, high] that satisfies a condition which all larger ones satisfy; None for none."""
    least = low + bisect_left(range(low, high + 1), True, key=holds)
    return least if least <= high else None
