"""How many more votes, or samples, until a score's Spearman correlation with HSF has as narrow an interval as asked.

Two things make the correlation uncertain. Noise in HSF weakens it, and more votes take noise away: by how much depends
on where the score orders the samples, so the votes are modelled (`stats.vote_mixture`) within tenths of the score, and
the correlation with HSF of more votes is what these mixtures expect. And the samples are a sample: the interval
(Fisher's z, Bonett and Wright) narrows with the square root of their number, for any votes.

So more votes narrow the interval only as far as a larger |rho| has a narrower one. More samples, at the same votes
each, always do. The mixtures are taken as known.

Three votes show only three moments of how chances are distributed in each tenth, and distributions that share them have
other correlations with HSF of many votes. So forecasts from three for many more are low where most samples are easy: on
CIFAR-10H by .005 to .011 of Spearman for 10 votes and .016 to .034 for 40, from five by up to .011, from ten by .006.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.measures.stats.correlation import fisher_interval
from avhcurate.measures.stats.ranks import rank_shares, spearman, standard_ranks
from avhcurate.measures.stats.vote_mixture import MOST_VOTES, Outcomes, VoteKinds, rounded_votes

#: Groups by score, each with a mixture of its own, and samples that one needs.
_GROUPS = 10
_GROUP = 50


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
    Raises CurateError where a correlation does not exist: fewer than 4 samples, or no variation.
    """

    def __init__(self, score: ArrayLike, hits: ArrayLike, votes: ArrayLike) -> None:
        values = np.asarray(score, float)
        hits = np.asarray(hits, np.int64)
        self.votes = np.asarray(votes, np.int64)
        if len(values) < 4:
            raise CurateError(f"An interval needs 4 images or more; there are {len(values)}. Collect more votes.")
        if (self.votes >= 2).sum() < 3:
            raise CurateError("Fewer than three images have two votes or more. Collect more votes an image.")
        self.rho = spearman(standard_ranks(values), standard_ranks(hits / self.votes))
        if not abs(self.rho) < 1:
            raise CurateError("HSF or the score does not vary, or they agree in full. Collect more votes.")
        places = rank_shares(values)
        groups = max(1, min(_GROUPS, len(values) // _GROUP))
        group = pd.factorize(np.floor(places * groups), sort=True)[0]
        kinds = VoteKinds.of(hits, self.votes)
        self._weights = kinds.fit(kinds.counts(groups=group))
        self._shares = np.bincount(group) / len(values)
        self._places = np.bincount(group, places) / np.bincount(group) - 0.5
        self._now = self._covariance(0)

    def expected(self, votes: int) -> float:
        """Return the correlation to expect with at least `votes` votes of every sample; those with more keep theirs."""
        if abs(self._now) < 1e-9:
            return self.rho
        return float(np.clip(self.rho * self._covariance(votes) / self._now, -1 + 1e-9, 1 - 1e-9))

    def _covariance(self, least: int) -> float:
        """Return the covariance of places of the groups and mean ranks by HSF, over the spread of the ranks."""
        raised = np.maximum(self.votes, least)
        sizes, times = np.unique(rounded_votes(raised, raised)[1], return_counts=True)
        shares = times / times.sum()
        means, variance = Outcomes(sizes).expected_ranks(shares, self._shares @ self._weights)
        if variance <= 0:
            return 0.0
        of_groups = self._weights @ (shares @ means)
        return float((self._shares * self._places) @ of_groups / math.sqrt(variance))


def votes_needed(forecast: VoteForecast, *, width: float) -> Need:
    """Return what narrows the 95 % interval of a Spearman correlation to `width` (from end to end, 0 to 2)."""
    if not 0 < width < 2:
        raise CurateError(f"The width of an interval must be between 0 and 2; it was {width}.")
    samples = len(forecast.votes)

    def width_with(votes: int) -> float:
        return _width(forecast.expected(votes), samples)

    now = _width(forecast.rho, samples)
    need = Need(
        samples=samples,
        votes=float(forecast.votes.mean()),
        width=width,
        width_now=now,
        width_at_best=now,
        votes_needed=None,
        more_votes=None,
        samples_needed=_least(lambda n: _width(forecast.rho, n) <= width, samples, 1 << 40),
    )
    if now <= width:
        return replace(need, votes_needed=math.ceil(need.votes), more_votes=0)
    ladder = np.unique(np.geomspace(max(1, forecast.votes.min()), MOST_VOTES, 40).round().astype(int)).tolist()
    widths = [width_with(votes) for votes in ladder]
    need = replace(need, width_at_best=min(now, *widths))
    for step in range(1, len(ladder)):
        if widths[step] <= width:
            enough = _least(lambda votes: width_with(votes) <= width, ladder[step - 1] + 1, ladder[step])
            return replace(need, votes_needed=enough, more_votes=int(np.maximum(0, enough - forecast.votes).sum()))
    return need


def _width(rho: float, samples: int) -> float:
    low, high = fisher_interval(rho, samples)
    return high - low


def _least(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the least number from low to high that satisfies a condition which all larger ones satisfy."""
    return low + bisect_left(range(low, high + 1), True, key=holds)
