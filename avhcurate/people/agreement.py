"""Agreement of annotators beyond chance, for nominal answers: Krippendorff's alpha of many, Cohen's kappa of two.

Both compare observed agreement with that of answers drawn from the same totals: alpha (Krippendorff, Content Analysis)
from those of all without replacement, where a sample weighs by its answers, Cohen's kappa from those of each person.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.measures.stats.intervals import share

_RESAMPLES = 1000
_NAN = float("nan")
_SAME = "every answer is the same, so chance would agree as well"


@dataclass(frozen=True)
class Agreement:
    """A coefficient with its 95 % interval over samples, by a bootstrap but for Cohen's, or NaN and a `reason`.

    value: 1 for full agreement, 0 for that of chance. samples: those with two answers or more.
    """

    name: str
    samples: int
    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    reason: str = ""


def krippendorff_alpha(counts: ArrayLike, *, seed: int = 0) -> Agreement:
    """Return Krippendorff's alpha for nominal answers counted by sample and category, (N, K).

    Samples with fewer than two answers are left out.

    >>> round(krippendorff_alpha([[2, 0], [0, 2], [1, 1], [2, 0]]).value, 3)
    0.533
    """
    table = np.asarray(counts)
    used = table[table.sum(axis=1) >= 2]
    undefined = Agreement("Krippendorff's alpha", len(used))
    if not len(used):
        return replace(undefined, reason="no image has two answers or more")
    if (used.sum(axis=0) > 0).sum() < 2:
        return replace(undefined, reason=_SAME)
    # Samples with the same counts are exchangeable, so a resample draws how many of each.
    kinds, sizes = np.unique(used, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(used), sizes / len(used), _RESAMPLES)
    value, *resampled = _alpha(kinds, np.vstack([sizes, drawn]).astype(float))
    # A resample of one answer only has no coefficient.
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return replace(undefined, value=float(value), low=float(low), high=float(high))


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> Agreement:
    """Return Cohen's kappa (Educational and Psychological Measurement 20, 1960) of the categories that two people gave
    to the same samples, (N,) numbers each.

    Its interval is Wilson's of the share on which they agree, given the agreement of chance: it holds the truth in 93
    to 97 of 100 from 10 samples on, where a bootstrap does in 25 to 88 with 10 and in 43 to 93 with 20.

    >>> round(cohen_kappa([0, 0, 1, 1], [0, 0, 1, 0]).value, 3)
    0.5
    """
    answers = np.stack([np.asarray(first), np.asarray(second)])
    n, *same = share(int((answers[0] == answers[1]).sum()), answers.shape[1])
    undefined = Agreement("Cohen's kappa", n)
    if not n:
        return replace(undefined, reason="no image has two answers")
    shares = (answers[:, :, None] == np.unique(answers)).mean(axis=1)
    chance = float(shares.prod(axis=0).sum())
    if chance == 1:
        return replace(undefined, reason=_SAME)
    value, low, high = ((observed - chance) / (1 - chance) for observed in same)
    return replace(undefined, value=value, low=low, high=high)


def _alpha(kinds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return alpha for each row of weights (R, kinds)."""
    sizes = kinds.sum(axis=1)
    differing = (sizes**2 - (kinds**2).sum(axis=1)) / (sizes - 1)
    totals = weights @ kinds
    answers = totals.sum(axis=1)
    observed = weights @ differing / answers
    expected = (answers**2 - (totals**2).sum(axis=1)) / (answers * (answers - 1))
    return 1 - observed / np.where(expected > 0, expected, np.nan)
