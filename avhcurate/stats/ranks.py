"""Average ranks and Spearman correlations, fast enough for a million samples and for thousands of resamples."""

import numpy as np

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
    order = np.argsort(values)
    ranks = np.empty(len(values), np.int32)
    ranks[order] = doubled_ranks_in_order(values[order])
    return ranks


def doubled_ranks_in_order(ordered: np.ndarray) -> np.ndarray:
    """The same of values that are sorted already, ascending: no second sort for a part of sorted samples."""
    ends = np.append(_tie_starts(ordered).astype(np.int32), np.int32(len(ordered)))
    return np.repeat(ends[1:] + ends[:-1] + np.int32(1), np.diff(ends))


def rank_shares(values: np.ndarray) -> np.ndarray:
    """Of each value, the share of values below it, ties counted half, (n,) in (0, 1); NaN stays and does not count.

    >>> rank_shares(np.array([3.0, 1.0, np.nan, 3.0])).round(3).tolist()
    [0.667, 0.167, nan, 0.667]
    """
    shares, known = np.full(len(values), np.nan), ~np.isnan(values)
    shares[known] = (average_ranks(values[known]) - 0.5) / max(1, known.sum())
    return shares


def standard_ranks(values: np.ndarray) -> np.ndarray | None:
    """Average ranks centred and scaled to length 1, so that a dot product is a Spearman; None for constant values."""
    return standardised(average_ranks(values))


def standardised(ranks: np.ndarray) -> np.ndarray | None:
    """Average ranks (n,), which are changed, centred and scaled to length 1; None where they are all equal."""
    ranks -= (len(ranks) + 1) / 2
    length = np.sqrt(np.dot(ranks, ranks))
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
        length = np.sqrt(np.dot(counts, ranks * ranks))
        return (ranks / length)[self.codes] if length > 0 else None


def resample(n: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n samples occurs when n are drawn with replacement, (n,) int64."""
    return np.bincount(rng.integers(n, size=n), minlength=n)


def spearman(x: np.ndarray | None, y: np.ndarray | None, times: np.ndarray | None = None) -> float:
    """Spearman of two standard ranks, of a resample when `times` is given; NaN when either is constant."""
    if x is None or y is None:
        return float("nan")
    return float(rounded(np.dot(x if times is None else x * times, y)))


def rounded(rho: np.ndarray) -> np.ndarray:
    """Correlations of which rounding must not turn perfect agreement, which has no Fisher z, into one of 18."""
    return np.where(np.abs(rho) > 1 - _ROUNDING, np.copysign(1.0, rho), rho)


def _tie_starts(ordered: np.ndarray) -> np.ndarray:
    """Where each run of equal values begins."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return np.flatnonzero(new)
