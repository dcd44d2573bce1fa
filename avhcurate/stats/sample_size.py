"""How many more votes, or samples, until a score's Spearman correlation with HSF has an interval as narrow as asked.

Two things make the correlation uncertain. Noise in HSF attenuates it: rho = rho_true * sqrt(r), where r is the
reliability of HSF, which Spearman-Brown predicts for m times the votes, m r / (1 + (m - 1) r). And the samples are a
sample: the interval (Fisher's z, Bonett and Wright) narrows with the square root of their number, whatever the votes.

So more votes narrow the interval only as far as a larger |rho| has a narrower one, and never below the interval that
noiseless HSF of the same samples would have. More samples, at the same votes each, always do. The reliability is taken
as known.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.stats.correlation import fisher_interval

#: More votes a sample than anybody collects: beyond, the answer is that samples are needed.
_MOST_VOTES = 10_000


@dataclass(frozen=True)
class Need:
    """What it takes to make an interval as narrow as asked.

    samples, votes: what there is now; votes is the mean number a sample has.
    width: asked for; width_now: of the interval now; width_at_best: with endless votes on the same samples.
    votes_needed: votes a sample to reach it on the same samples, rounded up; None where votes cannot do it.
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


def votes_needed(rho: float, samples: int, *, reliability: float, votes: float, width: float) -> Need:
    """What narrows the 95 % interval of a Spearman correlation to `width` (from end to end).

    rho: the correlation now, over `samples` samples with `votes` votes each on average, whose HSF has the `reliability`
    (see `votes.reliability`). Raises CurateError where these do not say enough: fewer than 4 samples, no
    reliability, |rho| of 1.

    >>> need = votes_needed(0.5, 400, reliability=0.5, votes=5, width=0.13)
    >>> round(need.width_now, 3), round(need.width_at_best, 3), need.votes_needed, need.samples_needed
    (0.156, 0.11, 20, 578)
    """
    _check(rho, samples, reliability, votes, width)
    present = (rho, votes, reliability)
    now, best = _width(samples, votes, *present), _width(samples, math.inf, *present)
    enough: int | None = None
    if now <= width:
        enough = math.ceil(votes)
    elif best < width:
        enough = _least(lambda v: _width(samples, v, *present) <= width, math.ceil(votes), _MOST_VOTES)
    by_samples = _least(lambda n: _width(n, votes, *present) <= width, samples, 1 << 40)
    assert by_samples is not None
    more = None if enough is None else 0 if now <= width else math.ceil(samples * (enough - votes))
    return Need(samples, votes, width, now, best, enough, more, by_samples)


def spearman_brown(reliability: float, factor: float) -> float:
    """Reliability of `factor` times the votes (Spearman 1910, Brown 1910), in [0, 1].

    >>> round(spearman_brown(0.5, 2), 3), spearman_brown(0.7, 1), spearman_brown(0.2, float("inf"))
    (0.667, 0.7, 1.0)
    """
    if not 0 <= reliability <= 1 or not factor > 0:
        raise CurateError(f"a reliability between 0 and 1 and a factor above 0 are needed: {reliability}, {factor}")
    if np.isinf(factor):
        return 1.0 if reliability > 0 else 0.0
    return factor * reliability / (1 + (factor - 1) * reliability)


def expected_rho(rho: float, reliability: float, factor: float) -> float:
    """The correlation to expect with `factor` times the votes: rho sqrt(r' / r), at most 1 in size.

    >>> round(expected_rho(0.3, 0.5, float("inf")), 3)
    0.424
    """
    if not 0 < reliability <= 1:
        raise CurateError(f"the reliability must lie above 0 and at most at 1; it was {reliability}")
    return float(np.clip(rho * math.sqrt(spearman_brown(reliability, factor) / reliability), -1, 1))


def _width(samples: int, votes: float, rho: float, votes_now: float, reliability: float) -> float:
    """Width of the interval with so many samples and votes a sample."""
    then = expected_rho(rho, reliability, votes / votes_now)
    if abs(then) >= 1:  # the noise alone explains all that is missing: nothing is left to be uncertain about
        return 0.0
    low, high = fisher_interval(then, samples)
    return high - low


def _least(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The least whole number in [low, high] that satisfies a condition which all larger ones satisfy; None for none."""
    least = low + bisect_left(range(low, high + 1), True, key=holds)
    return least if least <= high else None


def _check(rho: float, samples: int, reliability: float, votes: float, width: float) -> None:
    if not abs(rho) < 1:
        raise CurateError(f"a correlation of {rho} has no interval to narrow: it must lie between -1 and 1")
    if samples < 4:
        raise CurateError(f"an interval needs 4 samples or more; there are {samples}")
    if not 0 < reliability <= 1:
        raise CurateError(
            f"the votes have a reliability of {reliability:g}, so that nothing follows about more of them: collect a "
            "few votes a sample first"
        )
    if not votes > 0 or not 0 < width < 2:
        raise CurateError(f"votes above 0 and a width between 0 and 2 are needed: {votes}, {width}")
