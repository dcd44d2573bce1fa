"""The beta-binomial likelihood of votes: the chance of a vote varies between samples of the same log odds.

A sample's chance is Beta(precision * mean, precision * (1 - mean)) with mean = expit(odds): its votes do not count as
independent (Williams, Biometrics 31, 1975).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, expit, gammaln

_EDGE = 1e-12


class VoteLikelihood(NamedTuple):
    """Log likelihood of each sample's votes (n,), without its constant, and its derivatives.

    by_odds: by the log odds of each sample, (n,); by_precision: of the sum, by the log of the precision.
    """

    values: np.ndarray
    by_odds: np.ndarray
    by_precision: float


def vote_likelihood(odds: np.ndarray, log_precision: float, hits: np.ndarray, votes: np.ndarray) -> VoteLikelihood:
    """Return the likelihood of hits of votes, (n,) each, at log odds (n,) and a log of the precision.

    >>> round(float(vote_likelihood(np.zeros(1), np.log(2), np.array([1]), np.array([1])).values[0]), 6)
    -0.693147
    """
    chance = np.clip(expit(odds), _EDGE, 1 - _EDGE)
    precision = np.exp(log_precision)
    a = precision * chance
    b = precision * (1 - chance)
    k = hits
    n = votes
    misses = n - k  # first, since b may be too small to survive a sum
    values = (
        gammaln(a + k) - gammaln(a) + gammaln(b + misses) - gammaln(b) + gammaln(precision) - gammaln(precision + n)
    )
    by_a = digamma(a + k) - digamma(a)
    by_b = digamma(b + misses) - digamma(b)
    by_odds = precision * chance * (1 - chance) * (by_a - by_b)
    by_precision = (a * by_a + b * by_b + precision * (digamma(precision) - digamma(precision + n))).sum()
    return VoteLikelihood(values, by_odds, float(by_precision))
