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

from avhcurate.measures.stats.correlation import Z
from avhcurate.measures.stats.vote_mixture import Outcomes, VoteKinds, strata

#: Steps of EM in a resample, from the fit of all samples.
_STEPS = 40
_NAN = float("nan")


@dataclass(frozen=True)
class Reliability:
    """Reliability of HSF; where it does not exist the numbers are NaN, and `reason` says why.

    samples: those with votes. reliability, low, high: the expected Spearman between HSF and HSF of as many further
    votes, with its interval. ceiling, ceiling_low, ceiling_high: its root, the highest Spearman of any score.
    """

    samples: int
    reliability: float = _NAN
    low: float = _NAN
    high: float = _NAN
    ceiling: float = _NAN
    ceiling_low: float = _NAN
    ceiling_high: float = _NAN
    reason: str = ""


def of_ticks(selected: ArrayLike, shown: ArrayLike, *, resamples: int = 100, seed: int = 0) -> Reliability:
    """Return the reliability of HSF from tick votes: times selected (N,) and times shown (N,).

    Samples without a vote are left out; three need two votes or more. The samples must not be chosen by their HSF. The
    95 % interval is normal on the atanh scale, with the spread over bootstrap resamples of the samples.

    >>> r = of_ticks([10, 0, 9, 1, 5, 1], [10, 10, 10, 10, 10, 1])
    >>> r.samples, bool(0.6 < r.reliability < r.ceiling < 1)
    (6, True)
    """
    ticked, seen = np.asarray(selected), np.asarray(shown)
    ticked, seen = ticked[seen > 0], seen[seen > 0]
    repeated = int((seen >= 2).sum())
    if repeated < 3:
        return Reliability(len(seen), reason=f"only {repeated} samples have two votes or more")
    if np.ptp(ticked / seen) == 0:
        return Reliability(len(seen), reason="every sample has the same HSF")
    value, drawn = _agreement(ticked, seen, resamples, np.random.default_rng(seed))
    centre, reach = np.arctanh(value), Z * np.std(np.arctanh(drawn), ddof=1)
    low, high = (max(0.0, float(np.tanh(end))) for end in (centre - reach, centre + reach))
    return Reliability(
        samples=len(seen),
        reliability=value,
        low=low,
        high=high,
        ceiling=value**0.5,
        ceiling_low=low**0.5,
        ceiling_high=high**0.5,
    )


def _agreement(
    ticked: np.ndarray, seen: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Return the expected Spearman between two sets of votes of these samples, and the same of bootstrap resamples."""
    sizes, shares, weights = [], [], []
    for rows in strata(seen):
        kinds = VoteKinds.of(ticked[rows], seen[rows])
        counts = kinds.counts()
        fitted = kinds.fit(counts)
        resampled = rng.multinomial(len(rows), counts / len(rows), resamples).astype(float)
        refitted = kinds.fit(resampled, np.broadcast_to(fitted, (resamples, len(fitted))), steps=_STEPS)
        sizes.append(kinds.sizes)
        shares.append(kinds.shares(np.vstack([counts, resampled])))
        weights.append(np.repeat(np.vstack([fitted, refitted])[:, None], len(kinds.sizes), axis=1))
    # Strata with equal numbers of votes do not exist, but rounding may join them.
    outcomes, share = Outcomes(np.concatenate(sizes)), np.concatenate(shares, axis=1) / len(seen)
    chances = np.concatenate(weights, axis=1)
    # Atanh has no value at 1.
    values = [min(outcomes.agreement(*one), 1 - 1e-9) for one in zip(share, chances, strict=True)]
    return values[0], np.array(values[1:])
