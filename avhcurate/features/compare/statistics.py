"""Classifiers on the same samples: who is right, what they confuse, and lines through points."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, linregress, t


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


def fit_line(x: np.ndarray, y: np.ndarray) -> tuple[Any, float] | None:
    """Return the least-squares line through points (n,), as `scipy.stats.linregress`, and half the 95 % interval of
    its slope (t); None for fewer than three points, or all at one x.

    >>> line, reach = fit_line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    >>> round(float(line.slope), 6), round(float(line.intercept), 6)
    (2.0, 1.0)
    """
    if len(x) < 3 or np.ptp(x) == 0:
        return None
    line = linregress(x, y)
    return line, float(t.ppf(0.975, len(x) - 2) * line.stderr)
