"""Average ranks and Spearman correlations, fast enough for a million samples and for thousands of resamples."""

import sys

import numpy as np
import pandas as pd

#: Which half of a 64-bit number weighs less in memory.
_LOW = 0 if sys.byteorder == "little" else 1
#: A dot product of standard ranks is off by less; the closest that 10,000 untied ranks can come to 1 is 1.2e-11.
_ROUNDING = 1e-12


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their average, (n,) -> (n,) float64. Values must not be NaN.

    >>> average_ranks(np.array([30.0, 10.0, 30.0]))
    array([2.5, 1. , 2.5])
    """
    return doubled_ranks(values) / 2


def doubled_ranks(values: np.ndarray) -> np.ndarray:
    """Twice the average ranks, which are whole numbers, (n,) int32.

    >>> doubled_ranks(np.array([30.0, 10.0, 30.0]))
    array([5, 2, 5], dtype=int32)
    """
    order, ordered = sorted_places(values)
    ranks = np.empty(len(values), np.int32)
    ranks[order] = doubled_ranks_in_order(ordered)
    return ranks


def doubled_ranks_of_few(values: np.ndarray) -> np.ndarray:
    """The same, faster where few values occur, as in HSF: they are told apart by hashing, and counted."""
    codes, levels = pd.factorize(values, sort=True)
    counts = np.bincount(codes, minlength=len(levels))
    return (2 * np.cumsum(counts) - counts + 1).astype(np.int32)[codes]


def sorted_places(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places (n,) of the values from low to high, and what stands there: the values, or whole numbers of the same
    order with the same ties. Values must not be NaN.

    >>> order, ordered = sorted_places(np.array([3.0, -1.0, 3.0], np.float32))
    >>> order.tolist(), (ordered[1:] == ordered[:-1]).tolist()
    ([1, 0, 2], [False, True])
    """
    if values.dtype != np.float32:
        order = np.argsort(values)
        return order, values[order]
    # Value and place as one whole number: sorting them takes half the time of sorting places by value.
    halves = np.empty((len(values), 2), np.int32)
    bits = (values + np.float32(0)).view(np.int32)  # -0 becomes 0
    np.bitwise_xor(bits, (bits >> 31) & np.int32(2**31 - 1), out=halves[:, 1 - _LOW])
    halves[:, _LOW] = np.arange(len(values), dtype=np.int32)
    halves.view(np.int64)[:, 0].sort()
    return halves[:, _LOW].astype(np.intp), halves[:, 1 - _LOW].copy()


def doubled_ranks_in_order(ordered: np.ndarray) -> np.ndarray:
    """The same of values that are sorted already, ascending: no second sort for a part of sorted samples."""
    starts = _tie_starts(ordered)
    ends = np.append(starts, len(ordered)).astype(np.int32)
    ranks = ends[1:] + ends[:-1] + np.int32(1)
    if 2 * len(starts) < len(ordered):
        return np.repeat(ranks, np.diff(ends))
    # Where most values are their own, counting the runs is faster.
    new = np.zeros(len(ordered), bool)
    new[starts[1:]] = True
    return ranks[np.cumsum(new, dtype=np.int32)]


def rank_shares(values: np.ndarray) -> np.ndarray:
    """Of each value, the share of values below it, ties counted half, (n,) in (0, 1); NaN stays and does not count.

    >>> rank_shares(np.array([3.0, 1.0, np.nan, 3.0])).round(3).tolist()
    [0.667, 0.167, nan, 0.667]
    """
    shares, known = np.full(len(values), np.nan), ~np.isnan(values)
    shares[known] = (average_ranks(values[known]) - 0.5) / max(1, known.sum())
    return shares


def dot(x: np.ndarray, y: np.ndarray) -> float:
    """Of two long vectors (n,), on this thread alone: for one product BLAS wakes all cores, and waits for busy ones."""
    return float(np.einsum("i,i", x, y))


def standard_ranks(values: np.ndarray) -> np.ndarray | None:
    """Average ranks centred and scaled to length 1, so that a dot product is a Spearman; None for constant values."""
    return standardised(average_ranks(values))


def standardised(ranks: np.ndarray) -> np.ndarray | None:
    """Average ranks (n,), which are changed, centred and scaled to length 1; None where they are all equal."""
    ranks -= (len(ranks) + 1) / 2
    length = np.sqrt(dot(ranks, ranks))
    if length == 0:
        return None
    ranks /= length
    return ranks


class Resampled:
    """Ranks of one variable in bootstrap resamples, without sorting again: a resample only changes the tie counts."""

    def __init__(self, values: np.ndarray) -> None:
        order = np.argsort(values)
        starts = _tie_starts(values[order])
        self.codes = np.empty(len(values), np.int64)
        self.codes[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))

    def standard_ranks(self, times: np.ndarray) -> np.ndarray | None:
        """As the function, for the resample that holds sample i `times[i]` times; None when it is constant.

        The squared length, and a dot product, weigh each sample by its `times`.
        """
        counts = np.bincount(self.codes, weights=times)
        ranks = np.cumsum(counts) - counts / 2 - counts.sum() / 2
        length = np.sqrt(dot(counts, ranks * ranks))
        return (ranks / length)[self.codes] if length > 0 else None


def resample(n: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n samples occurs when n are drawn with replacement, (n,) int64."""
    return np.bincount(rng.integers(n, size=n), minlength=n)


def spearman(x: np.ndarray | None, y: np.ndarray | None, times: np.ndarray | None = None) -> float:
    """Spearman of two standard ranks, of a resample when `times` is given; NaN when either is constant."""
    if x is None or y is None:
        return float("nan")
    return float(rounded(dot(x if times is None else x * times, y)))


def rounded(rho: np.ndarray | float) -> np.ndarray:
    """Correlations of which rounding must not turn perfect agreement, which has no Fisher z, into one of 18."""
    return np.where(np.abs(rho) > 1 - _ROUNDING, np.copysign(1.0, rho), rho)


def _tie_starts(ordered: np.ndarray) -> np.ndarray:
    """Where each run of equal values begins."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return np.flatnonzero(new)
