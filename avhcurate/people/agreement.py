"""Agreement of annotators beyond chance: Fleiss' kappa and Krippendorff's alpha for nominal answers.

Both compare observed agreement with that of answers drawn from the same totals: Fleiss' kappa (Psychological Bulletin
76, 1971) with replacement, alpha (Krippendorff, Content Analysis) without. Where samples have different numbers of
answers, kappa weighs each sample the same and alpha weighs it by its answers. Samples with fewer than two answers are
left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

_RESAMPLES = 1000
_NAN = float("nan")


@dataclass(frozen=True)
class Agreement:
    """A coefficient with its 95 % bootstrap interval over samples, or NaN and a `reason`.

    value: 1 for full agreement, 0 for that of chance. samples: those with two answers or more; answers: of these.
    """

    name: str
    samples: int
    answers: int
    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    reason: str = ""


def fleiss_kappa(counts: ArrayLike, *, seed: int = 0) -> Agreement:
    """Return Fleiss' kappa of answers counted by sample and category, (N, K).

    >>> round(fleiss_kappa([[4, 0], [0, 4], [2, 2], [4, 0]]).value, 3)
    0.644
    """
    return _agreement("Fleiss' kappa", counts, _kappa, seed)


def krippendorff_alpha(counts: ArrayLike, *, seed: int = 0) -> Agreement:
    """Return Krippendorff's alpha for nominal answers counted by sample and category, (N, K).

    >>> round(krippendorff_alpha([[2, 0], [0, 2], [1, 1], [2, 0]]).value, 3)
    0.533
    """
    return _agreement("Krippendorff's alpha", counts, _alpha, seed)


def _agreement(
    name: str, counts: ArrayLike, coefficient: Callable[[np.ndarray, np.ndarray], np.ndarray], seed: int
) -> Agreement:
    table = np.asarray(counts)
    used = table[table.sum(axis=1) >= 2]
    undefined = Agreement(name, len(used), int(used.sum()))
    if not len(used):
        return replace(undefined, reason="no sample has two answers or more")
    if (used.sum(axis=0) > 0).sum() < 2:
        return replace(undefined, reason="every answer is the same, so chance would agree as well")
    # Samples with the same counts are exchangeable, so a resample draws how many of each.
    kinds, sizes = np.unique(used, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(used), sizes / len(used), _RESAMPLES)
    value, *resampled = coefficient(kinds, np.vstack([sizes, drawn]).astype(float))
    # A resample of one answer only has no coefficient.
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return replace(undefined, value=float(value), low=float(low), high=float(high))


def _kappa(kinds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return kappa for each row of weights (R, kinds)."""
    sizes = kinds.sum(axis=1)
    agreeing = (kinds * (kinds - 1)).sum(axis=1) / (sizes * (sizes - 1))
    observed = weights @ agreeing / weights.sum(axis=1)
    totals = weights @ kinds
    chance = ((totals / totals.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return (observed - chance) / np.where(chance < 1, 1 - chance, np.nan)


def _alpha(kinds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return alpha for each row of weights (R, kinds)."""
    sizes = kinds.sum(axis=1)
    differing = (sizes**2 - (kinds**2).sum(axis=1)) / (sizes - 1)
    totals = weights @ kinds
    answers = totals.sum(axis=1)
    observed = weights @ differing / answers
    expected = (answers**2 - (totals**2).sum(axis=1)) / (answers * (answers - 1))
    return 1 - observed / np.where(expected > 0, expected, np.nan)
