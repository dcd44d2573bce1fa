"""Reliability of HSF, and the noise ceiling of any correlation with HSF.

HSF of a few votes is noisy, so no score can follow it perfectly. From the votes alone follows how chances that a vote
is for the label are distributed (`stats.vote_mixture`), and from that the Spearman correlation to expect between HSF
and HSF of as many further votes of the same samples: the reliability. Its root is the noise ceiling. It bounds the
expected Spearman of every score that does not know these votes, since no function of a sample's chance has a higher
correlation with the ranks of HSF; a score without ties stays somewhat below it where many samples share an HSF.

On CIFAR-10H the reliability is 0.61 and the ceiling 0.78. Split halves stepped up by Spearman-Brown, a law of Pearson
correlations, would give 0.70 and 0.84: from 11 votes for 22 it predicts 0.64 where 0.53 is measured, the mixture 0.55.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from avhcurate.measures.stats.vote_mixture import Outcomes, VoteKinds, rounded_votes, strata

#: Resamples of the samples behind an interval, and drawn sets of votes behind the test that all samples are alike.
RESAMPLES = 200
_ALIKE = 199
#: Above this p the votes show no reliability.
_CLEAR = 0.05
_NAN = float("nan")


@dataclass(frozen=True)
class Reliability:
    """Reliability of HSF; where it does not exist the numbers are NaN, and `reason` says why.

    samples: those with votes. reliability, low, high: the expected Spearman between HSF and HSF of as many further
    votes, with its interval, which begins at 0 where the votes show no reliability. ceiling, ceiling_low, ceiling_high:
    its root, the highest Spearman of any score. The interval is what to show: an estimate that is shown only where the
    votes differ clearly is too high in small data, 0.51 for 0.40 with 5 votes on 100 samples.
    """

    samples: int
    reliability: float = _NAN
    low: float = _NAN
    high: float = _NAN
    reason: str = ""

    @property
    def ceiling(self) -> float:
        return self.reliability**0.5

    @property
    def ceiling_text(self) -> str:
        """Return the interval of the noise ceiling, or why there is none and up to where it may be."""
        return self.reason or f"{self.ceiling_low:.2f} to {self.ceiling_high:.2f}"

    @property
    def ceiling_low(self) -> float:
        return self.low**0.5

    @property
    def ceiling_high(self) -> float:
        return self.high**0.5


def of_ticks(selected: ArrayLike, shown: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Reliability:
    """Return the reliability of HSF from tick votes: times selected (N,) and times shown (N,).

    Samples without a vote are left out; three need two votes or more. The samples must not be chosen by their HSF. The
    95 % interval is of the percentiles of a bootstrap of the samples, each resample fitted as the data are: of the
    intervals tried (`benchmarks/ceiling.py`) it alone covers as it says from 100 samples on. Votes that differ no more
    than those of samples which are all alike have no reliability, and an interval that begins at 0.

    >>> r = of_ticks([10, 0, 9, 1, 5, 1], [10, 10, 10, 10, 10, 1])
    >>> r.samples, bool(0.6 < r.reliability < r.ceiling < 1)
    (6, True)
    """
    ticked = np.asarray(selected)
    seen = np.asarray(shown)
    ticked = ticked[seen > 0]
    seen = seen[seen > 0]
    repeated = int((seen >= 2).sum())
    if repeated < 3:
        return Reliability(len(seen), reason=f"only {repeated} images have two votes or more")
    if np.ptp(ticked / seen) == 0:
        return Reliability(len(seen), reason="every image has the same HSF")
    rng = np.random.default_rng(seed)
    value, drawn = _agreement(ticked, seen, resamples, rng)
    low, high = np.quantile(drawn, [0.025, 0.975], method="weibull")
    high = max(float(high), value)
    p_value = alike(ticked, seen, rng)
    if p_value < _CLEAR:
        return Reliability(len(seen), value, min(float(low), value), high)
    reason = (
        f"these votes differ no more than by chance (p = {p_value:.2f}), and the ceiling may be up to {high**0.5:.2f}"
    )
    return Reliability(len(seen), low=0.0, high=high, reason=reason)


def alike(hits: np.ndarray, votes: np.ndarray, rng: np.random.Generator) -> float:
    """Return the p-value that all samples have the same chance, by likelihood ratio: hits of votes, both (N,).

    The other distribution is the likeliest of all, so the ratio is compared with those of votes drawn from one chance.
    """
    hits, votes = rounded_votes(hits, votes)
    share = hits.sum() / votes.sum()
    spread = votes * share * (1 - share)
    excess = (np.square(hits - votes * share) / spread).sum() - len(votes)
    if excess > 6 * np.sqrt((2 + 1 / spread).sum()):
        return 0.0  # six standard errors: nothing needs drawing
    sets = np.vstack([hits, rng.binomial(votes, share, (_ALIKE, len(votes)))])
    number = np.repeat(np.arange(len(sets)), len(votes))
    kinds = VoteKinds.of(sets.ravel(), np.tile(votes, len(sets)))
    shares = sets.sum(axis=1, keepdims=True) / votes.sum()
    ratio = kinds.log_likelihood(kinds.counts(groups=number)) - binom.logpmf(sets, votes, shares).sum(axis=1)
    return float(np.mean(ratio >= ratio[0] - 1e-9))


def _agreement(
    ticked: np.ndarray, seen: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Return the expected Spearman between two sets of votes of these samples, and the same of bootstrap resamples."""
    sizes = []
    shares = []
    weights = []
    for rows in strata(seen):
        kinds = VoteKinds.of(ticked[rows], seen[rows])
        counts = kinds.counts()
        counts = np.vstack([counts, rng.multinomial(len(rows), counts / len(rows), resamples)])
        sizes.append(kinds.sizes)
        shares.append(kinds.shares(counts))
        weights.append(np.repeat(kinds.fit(counts)[:, None], len(kinds.sizes), axis=1))
    # Strata with equal numbers of votes do not exist, but rounding may join them.
    outcomes = Outcomes(np.concatenate(sizes))
    share = np.concatenate(shares, axis=1) / len(seen)
    chances = np.concatenate(weights, axis=1)
    value, *drawn = map(outcomes.agreement, share, chances)
    return value, np.array(drawn)
