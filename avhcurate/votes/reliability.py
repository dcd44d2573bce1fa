"""Reliability of HSF, and the noise ceiling of any correlation with HSF.

HSF of a few votes is noisy, so no score can follow it perfectly. From the votes alone follows how chances that a vote
is for the label are distributed (`stats.vote_mixture`), and from that the Spearman correlation to expect between HSF
and HSF of as many further votes of the same samples: the reliability. Its root is the noise ceiling. It bounds the
expected Spearman of every score that does not know these votes, since no function of a sample's chance has a higher
correlation with the ranks of HSF; a score without ties stays somewhat below it where many samples share an HSF.

On CIFAR-10H the reliability is 0.61 and the ceiling 0.78. Split halves stepped up by Spearman-Brown, a law of Pearson
correlations, would give 0.70 and 0.84: from 11 votes for 22 it foretells 0.64 where 0.53 is measured, the mixture 0.55.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from avhcurate.errors import CurateError
from avhcurate.stats.intervals import check_level
from avhcurate.stats.ranks import spearman, standard_ranks
from avhcurate.stats.vote_mixture import Outcomes, VoteKinds, strata
from avhcurate.votes.hsf import ticks

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


def of_ticks(
    selected: ArrayLike, shown: ArrayLike, *, resamples: int = 100, level: float = 0.95, seed: int = 0
) -> Reliability:
    """Reliability of HSF from tick votes: times selected (N,) and times shown (N,).

    Samples without a vote are left out; three need two votes or more. The samples must not be chosen by their HSF. The
    interval is normal on the atanh scale, with the spread over bootstrap resamples of the samples.

    >>> r = of_ticks([10, 0, 9, 1, 5, 1], [10, 10, 10, 10, 10, 1])
    >>> r.samples, bool(0.6 < r.reliability < r.ceiling < 1)
    (6, True)
    """
    ticked, seen = ticks(selected, shown)
    check_level(level)
    if resamples < 2:
        raise CurateError(f"resamples must be 2 or more; it was {resamples}")
    ticked, seen = ticked[seen > 0], seen[seen > 0]
    if (repeated := int((seen >= 2).sum())) < 3:
        return Reliability(len(seen), reason=f"only {repeated} samples have two votes or more")
    if np.ptp(ticked / seen) == 0:
        return Reliability(len(seen), reason="every sample has the same HSF")
    value, drawn = _agreement(ticked, seen, resamples, np.random.default_rng(seed))
    centre, reach = np.arctanh(value), ndtri((1 + level) / 2) * np.std(np.arctanh(drawn), ddof=1)
    low, high = (max(0.0, float(np.tanh(end))) for end in (centre - reach, centre + reach))
    return Reliability(len(seen), value, low, high, value**0.5, low**0.5, high**0.5)


def _agreement(
    ticked: np.ndarray, seen: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Expected Spearman between two sets of votes of these samples, and the same of bootstrap resamples."""
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


def as_votes_came(sample: ArrayLike, selected: ArrayLike, *, points: int = 50) -> pd.DataFrame:
    """How HSF moved as votes came in: votes in order of coming, (A,) sample codes and whether each was for the label.

    Columns `votes, samples, mean_change, spearman`, a row for each number of votes (some of them where there are more
    than `points`): over the samples with at least so many, the mean of |HSF of the first so many - HSF of all|, and
    their Spearman correlation, NaN for fewer than three samples or no variation. Both end at full agreement because the
    last row holds every vote: how flat the curve is before says whether more votes would move HSF still.

    >>> as_votes_came([0, 1, 0, 1], [True, False, False, False])[["votes", "samples", "mean_change"]].values.tolist()
    [[1.0, 2.0, 0.25], [2.0, 2.0, 0.0]]
    """
    codes, hits = np.asarray(sample), np.asarray(selected, bool).astype(np.int64)
    if codes.shape != hits.shape or codes.ndim != 1:
        raise CurateError(f"sample {codes.shape} and selected {hits.shape} must hold one value a vote each")
    order = np.argsort(codes, kind="stable")
    _, starts, shown = np.unique(codes[order], return_index=True, return_counts=True)
    before = np.concatenate([[0], np.cumsum(hits[order])])
    totals = before[starts + shown] - before[starts]
    rows = []
    for first in _steps(shown, points):
        enough = shown >= first
        early = (before[(starts + first)[enough]] - before[starts[enough]]) / first
        late = (totals / shown)[enough]
        rho = spearman(standard_ranks(early), standard_ranks(late)) if len(early) > 2 else _NAN
        rows.append((first, len(early), float(np.abs(early - late).mean()), rho))
    return pd.DataFrame(rows, columns=["votes", "samples", "mean_change", "spearman"])


def _steps(shown: np.ndarray, points: int) -> list[int]:
    """Numbers of votes from 1 to the most that a sample has, evenly on a log scale where there are many."""
    most = int(shown.max()) if len(shown) else 0
    if most <= points:
        return list(range(1, most + 1))
    return sorted({round(float(v)) for v in np.geomspace(1, most, points)})
