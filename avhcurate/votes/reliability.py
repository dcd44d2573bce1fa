"""Reliability of HSF: split halves of the votes, and the noise ceiling of any correlation with HSF.

HSF of a few votes is noisy, so no score can follow it perfectly. Half of each sample's votes predict the other with
correlation r; Spearman-Brown steps that up to all votes, 2r / (1 + r), and its square root is the highest correlation
that a perfect score could be expected to reach. Correlations are Spearman's, because the scores are judged by it: on
CIFAR-10H that gives 0.70 and a ceiling of 0.84, where Pearson's would give 0.93 and 0.96.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import hypergeom

from avhcurate.errors import CurateError
from avhcurate.stats.intervals import check_level
from avhcurate.stats.ranks import spearman, standard_ranks
from avhcurate.stats.sample_size import spearman_brown
from avhcurate.votes.hsf import ticks

#: Splits averaged in each bootstrap resample. `half` averages many more, so with a single one the interval would be 1.4
#: times too wide (simulated: 1000 samples, 51 votes); with five it is at most 1.1 times.
_SPLITS_A_RESAMPLE = 5
_NAN = float("nan")


@dataclass(frozen=True)
class Reliability:
    """Split-half reliability of HSF; where it does not exist the numbers are NaN, and `reason` says why.

    samples: those with two votes or more, which are the ones used.
    half: Spearman between the HSF of random halves of the votes, mean over random splits.
    reliability, low, high: of HSF from all votes, by Spearman-Brown, with its interval.
    ceiling, ceiling_low, ceiling_high: sqrt(reliability), the highest Spearman a score can be expected to reach.
    """

    samples: int
    half: float = _NAN
    reliability: float = _NAN
    low: float = _NAN
    high: float = _NAN
    ceiling: float = _NAN
    ceiling_low: float = _NAN
    ceiling_high: float = _NAN
    reason: str = ""


def of_ticks(
    selected: ArrayLike, shown: ArrayLike, *, splits: int = 200, level: float = 0.95, seed: int = 0
) -> Reliability:
    """Reliability of HSF from tick votes: times selected (N,) and times shown (N,).

    Samples with fewer than two votes cannot be split and are left out; of an odd number the second half gets one more.
    The interval is normal on the atanh scale, with the spread over bootstrap resamples of the samples.

    >>> r = of_ticks([10, 0, 9, 1, 5, 1], [10, 10, 10, 10, 10, 1])
    >>> r.samples, bool(0.6 < r.reliability < r.ceiling < 1)
    (5, True)
    """
    ticked, seen = ticks(selected, shown)
    check_level(level)
    if splits < 2:
        raise CurateError(f"splits must be 2 or more; it was {splits}")
    ticked, seen = ticked[seen >= 2], seen[seen >= 2]
    if len(seen) < 3:
        return Reliability(len(seen), reason=f"only {len(seen)} samples have two votes or more")
    if np.ptp(ticked / seen) == 0:
        return Reliability(len(seen), reason="every sample has the same HSF")
    halves, rng = _Halves(ticked, seen), np.random.default_rng(seed)
    half = halves.correlation(halves.sizes, rng, splits=splits)
    resampled = [halves.correlation(halves.resample(rng), rng, splits=_SPLITS_A_RESAMPLE) for _ in range(splits)]
    centre, reach = np.arctanh(half), ndtri((1 + level) / 2) * np.std(np.arctanh(resampled), ddof=1)
    halves_agree = (half, np.tanh(centre - reach), np.tanh(centre + reach))
    # Halves that disagree are not reliable.
    value, low, high = (spearman_brown(max(0.0, float(rho)), 2) for rho in halves_agree)
    return Reliability(len(seen), half, value, low, high, value**0.5, low**0.5, high**0.5)


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


class _Halves:
    """Random halves of the votes of many samples.

    The number of votes for the label in a random half is hypergeometric. Samples with the same votes are exchangeable,
    so a split draws, for each kind of sample (votes for, votes), how many of them get each outcome: a multinomial
    over the hypergeometric probabilities. That is the same distribution as splitting each sample, and its cost does
    not grow with their number.
    """

    def __init__(self, selected: np.ndarray, shown: np.ndarray) -> None:
        # As one number a kind: whole numbers sort ten times faster than pairs of them.
        kinds, self.sizes = np.unique(shown * (shown.max() + 1) + selected, return_counts=True)
        n, k = np.divmod(kinds[:, None], shown.max() + 1)
        first, second = n // 2, n - n // 2
        outcomes = np.arange(first.max() + 1)[None, :]
        chances = hypergeom.pmf(outcomes, n, k, first)
        self.chances = chances / chances.sum(axis=1, keepdims=True)
        self.possible = chances > 0
        # Levels of the HSF of either half, over the outcomes that can occur; ratios of whole numbers tie exactly.
        self.first = np.unique((outcomes / first)[self.possible], return_inverse=True)[1]
        self.second = np.unique(((k - outcomes) / second)[self.possible], return_inverse=True)[1]

    def resample(self, rng: np.random.Generator) -> np.ndarray:
        """How many samples of each kind a bootstrap resample holds."""
        return rng.multinomial(self.sizes.sum(), self.sizes / self.sizes.sum())

    def correlation(self, sizes: np.ndarray, rng: np.random.Generator, *, splits: int) -> float:
        """Mean Spearman between the halves of random splits of `sizes[i]` samples of each kind."""
        # Atanh has no value at 1.
        return float(np.clip(np.mean([self._split(sizes, rng) for _ in range(splits)]), -1 + 1e-12, 1 - 1e-12))

    def _split(self, sizes: np.ndarray, rng: np.random.Generator) -> float:
        weights = rng.multinomial(sizes, self.chances)[self.possible]
        x, y = (_centred_ranks(levels, weights) for levels in (self.first, self.second))
        spread = np.sqrt(np.dot(weights, x * x) * np.dot(weights, y * y))
        # A half that came out constant predicts nothing.
        return float(np.dot(weights, x * y) / spread) if spread > 0 else 0.0


def _centred_ranks(levels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average rank of each level when it occurs `weights` times, minus the mean rank."""
    occurring = np.bincount(levels, weights=weights)
    return (np.cumsum(occurring) - occurring / 2 - occurring.sum() / 2)[levels]
