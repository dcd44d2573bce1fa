"""Classifiers on the same samples: who is right, what they confuse, what each finds hard, and lines through points.

`labels`, `predicted` (n,) are class indices; `ranks` (n,) are shares in (0, 1), large = hard.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest, linregress, t

#: Fewer points do not make a line that says anything.
LEAST_POINTS = 3


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Return how many only the first has right, only the second, and the exact p that both are right equally often.

    Q. McNemar, Psychometrika 12 (1947) 153-157, by the binomial distribution.

    >>> mcnemar(np.array([True, True, True, False]), np.array([False, False, False, True]))
    (3, 1, 0.625)
    """
    one, other = int((first & ~second).sum()), int((second & ~first).sum())
    if one + other == 0:
        return 0, 0, 1.0
    return one, other, float(binomtest(one, one + other).pvalue)


def confusion(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return counts (K, K): row the given label, column the predicted class.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    places = labels.astype(np.int64) * num_classes + predicted
    return np.bincount(places, minlength=num_classes**2).reshape(num_classes, num_classes)


def confused_pairs(first: np.ndarray, second: np.ndarray, *, most: int) -> pd.DataFrame:
    """Return the pairs that either confuses most, of two matrices (K, K): `label, predicted, first, second`.

    Only off the diagonal, at most `most` of them; those that one confuses most often come first.
    """
    larger = np.maximum(first, second)
    np.fill_diagonal(larger, 0)
    order = np.argsort(-larger, axis=None, kind="stable")[:most]
    rows, columns = np.unravel_index(order[larger.ravel()[order] > 0], larger.shape)
    return pd.DataFrame(
        {"label": rows, "predicted": columns, "first": first[rows, columns], "second": second[rows, columns]}
    )


def hard_for_one(one: np.ndarray, other: np.ndarray, *, easy: float, hard: float) -> np.ndarray:
    """Return rows at or above `hard` by the first ranks and at or below `easy` by the other, widest gap first.

    >>> hard_for_one(np.array([0.9, 0.8, 0.1]), np.array([0.4, 0.1, 0.9]), easy=0.5, hard=0.7).tolist()
    [1, 0]
    """
    rows = np.flatnonzero((one >= hard) & (other <= easy))
    return rows[np.argsort(other[rows] - one[rows], kind="stable")]


def hard_for_all(ranks: Sequence[np.ndarray], *, hard: float) -> np.ndarray:
    """Return rows at or above `hard` by all ranks, highest mean rank first."""
    every = np.stack(ranks)
    rows = np.flatnonzero((every >= hard).all(axis=0))
    return rows[np.argsort(-every[:, rows].mean(axis=0), kind="stable")]


class FittedLine(NamedTuple):
    """The least-squares line y = slope * x + intercept through n points; ends of the 95 % interval of the slope (t)."""

    n: int
    slope: float
    low: float
    high: float
    intercept: float
    r_squared: float


def fit_line(x: np.ndarray, y: np.ndarray) -> FittedLine | None:
    """Return the line through points (n,); None for fewer than `LEAST_POINTS`, or all at one x.

    >>> line = fit_line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    >>> line.slope, line.intercept
    (2.0, 1.0)
    """
    if len(x) < LEAST_POINTS or np.ptp(x) == 0:
        return None
    fit = linregress(x, y)
    reach = t.ppf(0.975, len(x) - 2) * fit.stderr
    return FittedLine(
        n=len(x),
        slope=float(fit.slope),
        low=float(fit.slope - reach),
        high=float(fit.slope + reach),
        intercept=float(fit.intercept),
        r_squared=float(fit.rvalue**2),
    )
