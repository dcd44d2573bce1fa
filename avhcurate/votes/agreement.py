"""Agreement of annotators beyond chance: Fleiss' kappa and Krippendorff's alpha for nominal answers.

Both compare observed agreement with that of answers drawn from the same totals. Fleiss' kappa (Psychological Bulletin
76, 1971) takes the chance of two answers drawn with replacement, alpha (Krippendorff, Content Analysis) without, which
matters only where there are few answers. Kappa was made for equally many answers a sample; where they differ, each
sample with two or more weighs the same, the usual generalisation, while alpha weighs each by its answers. Samples with
fewer than two answers say nothing about agreement and are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.stats.intervals import check_level


@dataclass(frozen=True)
class Agreement:
    """A coefficient with its bootstrap interval over samples; NaN where it does not exist, and `reason` says why.

    value: 1 for full agreement, 0 for that of chance, negative below. samples: those with two answers or more, which
    are the ones used; answers: of these samples.
    """

    name: str
    value: float
    low: float
    high: float
    samples: int
    answers: int
    reason: str = ""


def fleiss_kappa(counts: ArrayLike, *, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> Agreement:
    """Fleiss' kappa of answers counted by sample and category, (N, K).

    >>> round(fleiss_kappa([[4, 0], [0, 4], [2, 2], [4, 0]]).value, 3)
    0.644
    """
    return _agreement("Fleiss' kappa", counts, _kappa, level, resamples, seed)


def krippendorff_alpha(counts: ArrayLike, *, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> Agreement:
    """Krippendorff's alpha for nominal answers counted by sample and category, (N, K); answers may be missing.

    >>> round(krippendorff_alpha([[2, 0], [0, 2], [1, 1], [2, 0]]).value, 3)
    0.533
    """
    return _agreement("Krippendorff's alpha", counts, _alpha, level, resamples, seed)


def _agreement(
    name: str,
    counts: ArrayLike,
    coefficient: Callable[[np.ndarray, np.ndarray], np.ndarray],
    level: float,
    resamples: int,
    seed: int,
) -> Agreement:
    table = np.asarray(counts)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.number) or (table.size and table.min() < 0):
        raise CurateError(f"agreement needs counts of answers by sample and category, not {table.dtype} {table.shape}")
    check_level(level)
    if resamples < 100:
        raise CurateError(f"a bootstrap interval needs 100 resamples or more; there were {resamples}")
    used = table[table.sum(axis=1) >= 2]
    value = low = high = float("nan")
    reason = ""
    if not len(used):
        reason = "no sample has two answers or more"
    elif (used.sum(axis=0) > 0).sum() < 2:
        reason = "every answer is the same, so chance would agree as well"
    else:
        kinds, sizes = np.unique(used, axis=0, return_counts=True)
        value = float(coefficient(kinds, sizes[None, :].astype(float))[0])
        low, high = _interval(kinds, sizes, coefficient, level, resamples, np.random.default_rng(seed))
    return Agreement(name, value, low, high, len(used), int(used.sum()), reason)


def _interval(
    kinds: np.ndarray,
    sizes: np.ndarray,
    coefficient: Callable[[np.ndarray, np.ndarray], np.ndarray],
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Percentile interval; samples with the same counts are exchangeable, so a resample draws how many of each."""
    chances = sizes / sizes.sum()
    blocks = max(1, int(2e6) // len(sizes))
    drawn = np.concatenate(
        [
            coefficient(kinds, rng.multinomial(sizes.sum(), chances, size=min(blocks, resamples - start)).astype(float))
            for start in range(0, resamples, blocks)
        ]
    )
    # A resample of one answer only has no coefficient; it says nothing about where the interval ends.
    if np.isnan(drawn).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _kappa(kinds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Kappa for each row of weights (R, kinds)."""
    each = kinds.sum(axis=1)
    agreeing = (kinds * (kinds - 1)).sum(axis=1) / (each * (each - 1))
    observed = weights @ agreeing / weights.sum(axis=1)
    totals = weights @ kinds
    chance = ((totals / totals.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return np.divide(observed - chance, 1 - chance, out=np.full(len(chance), np.nan), where=chance < 1)


def _alpha(kinds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Alpha for each row of weights (R, kinds)."""
    each = kinds.sum(axis=1)
    differing = (each**2 - (kinds**2).sum(axis=1)) / (each - 1)
    totals = weights @ kinds
    answers = totals.sum(axis=1)
    observed = weights @ differing / answers
    expected = (answers**2 - (totals**2).sum(axis=1)) / (answers * (answers - 1))
    return 1 - np.divide(observed, expected, out=np.full(len(expected), np.nan), where=expected > 0)
