"""HSF bins: left-closed, the last closed on both ends; default, edited or quantile edges, labels and indices."""

import itertools
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError

DEFAULT_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

#: An HSF this close below an edge lies on it. HSF is a ratio of small whole numbers: 3/5 must fall into [0.6, 0.8) even
#: where the edge came as 0.6000000000000001 or the HSF through float32 (error up to 3e-8), while a true HSF of up to
#: 1000 votes keeps 1e-7 away from any edge of four decimals.
_TOLERANCE = 1e-7
#: Digits in which two HSF are the same number of votes.
_DIGITS = 6
#: Edges must be further apart than this.
_NARROWEST = 1e-6


def check_edges(edges: Sequence[float] | None = None) -> tuple[float, ...]:
    """Return bin edges as floats (None: the default), refused unless there are two or more, rising, within [0, 1].

    Edges need not reach 0 and 1: an HSF outside them is in no bin.

    >>> check_edges([0, 0.5, 1])
    (0.0, 0.5, 1.0)
    """
    try:
        values = DEFAULT_EDGES if edges is None else tuple(float(edge) for edge in edges)
    except (TypeError, ValueError) as error:
        raise CurateError(f"Bin edges {edges!r} are not numbers. Write them as 0,0.5,1.") from error
    if len(values) < 2:
        raise CurateError(f"There are {len(values)} bin edges. Give two or more, as 0,0.5,1.")
    if not all(0 <= edge <= 1 for edge in values):
        raise CurateError(f"Bin edges must be between 0 and 1, as HSF is: {_listed(values)}.")
    if np.min(np.diff(values)) <= _NARROWEST:
        raise CurateError(f"Bin edges must rise, by more than {_NARROWEST} at each step: {_listed(values)}.")
    return values


def parse_edges(text: str) -> tuple[float, ...]:
    """Return edges from text such as "0,0.5,1", checked.

    >>> parse_edges("0, .5, 1")
    (0.0, 0.5, 1.0)
    """
    return check_edges(text.split(","))  # type: ignore[arg-type]  # check_edges converts and says what it cannot


def edges_of(text: str, hsf: ArrayLike) -> tuple[float, ...]:
    """Return edges from text: numbers as for `parse_edges`, or q and a number of bins of about equally many samples.

    >>> edges_of("q2", [0.1, 0.2, 0.3, 0.4, 0.5]), edges_of("0,1", [])
    ((0.1, 0.3, 0.5), (0.0, 1.0))
    """
    count = re.fullmatch(r"\s*q\s*(\d{1,2})\s*", text, re.IGNORECASE)
    if count:
        return quantile_edges(hsf, int(count[1]))
    return parse_edges(text)


def bin_index(hsf: ArrayLike, edges: Sequence[float] | None = None) -> np.ndarray:
    """Return the bin of each HSF, (N,) int64 in 0..bins-1; -1 without HSF (NaN) or outside the edges.

    Raises CurateError for an HSF outside [0, 1].

    >>> bin_index([0.0, 0.2, 3 / 5, 1.0, float("nan")])
    array([ 0,  1,  3,  4, -1])
    """
    values = np.asarray(hsf, float)
    bounds = np.array(check_edges(edges))
    if ((values < -_TOLERANCE) | (values > 1 + _TOLERANCE)).any():
        raise CurateError("HSF is a share of votes and must be between 0 and 1.")
    index = np.searchsorted(bounds - _TOLERANCE, values, side="right") - 1
    index[index == len(bounds) - 1] = len(bounds) - 2
    index[np.isnan(values) | (values > bounds[-1] + _TOLERANCE)] = -1
    return index


def bin_labels(edges: Sequence[float] | None = None) -> tuple[str, ...]:
    """Return the names of the bins, as tables and figures show them.

    >>> bin_labels([0, 0.2, 1])
    ('[0, 0.2)', '[0.2, 1]')
    """
    return _interval_names(check_edges(edges))


def quantile_edges(hsf: ArrayLike, count: int) -> tuple[float, ...]:
    """Return edges of `count` bins, or of fewer where values are tied, that hold about equally many samples.

    HSF is tied: a value that more samples have than a bin should hold is a bin of its own, and the rest is cut into the
    other bins. An edge is the smallest HSF of its bin, or lies just below it where that is the largest HSF of all.

    >>> quantile_edges([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 2), quantile_edges([0.2, 0.4, 0.8, 1, 1, 1, 1], 3)
    ((0.1, 0.4, 0.6), (0.2, 0.8, 0.9, 1.0))
    """
    values = np.asarray(hsf, float)
    values = values[~np.isnan(values)]
    if count < 1:
        raise CurateError(f"The number of quantile bins is {count}. It must be 1 or more.")
    if not values.size or np.ptp(values) <= _NARROWEST:
        raise CurateError("Quantile bins need at least two different HSF values. Give edges instead.")
    return check_edges(_even_edges(np.round(values, _DIGITS), count).tolist())


def quantile_bins(values: ArrayLike, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the bin (N,) int64 of values in `count` bins of about equally many, -1 without a value, and the names.

    Bins are left-closed, the last closed on both ends; ties are treated as by `quantile_edges`, and values that are all
    equal have one bin.

    >>> index, labels = quantile_bins([1, 2, 3, 4, float("nan")], 2)
    >>> index.tolist(), labels
    ([0, 0, 1, 1, -1], ('[1, 3)', '[3, 4]'))
    """
    numbers = np.asarray(values, float)
    edges = _even_edges(numbers[~np.isnan(numbers)], count)
    index = np.minimum(np.searchsorted(edges, numbers, side="right") - 1, len(edges) - 2)
    return np.where(np.isnan(numbers), -1, index), _interval_names(edges)


def _even_edges(values: np.ndarray, count: int) -> np.ndarray:
    """Return edges of at most `count` bins of about equally many of the values, at least one bin."""
    distinct, sizes = np.unique(values, return_counts=True)
    starts = _even_starts(sizes, count)
    edges = np.append(distinct[starts], distinct[-1])
    if len(starts) > 1 and starts[-1] == len(distinct) - 1:
        edges[-2] = distinct[-2] + (distinct[-1] - distinct[-2]) / 2
    return edges


def _even_starts(sizes: np.ndarray, count: int) -> list[int]:
    """Return which of the values, `sizes` (V,) times each, begin a bin.

    >>> _even_starts(np.array([1, 1, 1, 1, 6]), 3)
    [0, 2, 4]
    """
    tied = np.zeros(len(sizes), bool)
    share = sizes.sum() / count
    while (large := ~tied & (sizes > share)).any():
        tied |= large
        share = sizes[~tied].sum() / max(1, count - tied.sum())
    starts = [0]
    in_bin = 0
    for position, size in enumerate(sizes.tolist()):
        if position and (tied[position] or tied[position - 1] or in_bin + size / 2 >= share):
            starts.append(position)
            in_bin = 0
        in_bin += size
    while len(starts) > count:
        whole = np.add.reduceat(sizes, starts)
        del starts[int(np.argmin(whole[:-1] + whole[1:])) + 1]
    return starts


def _interval_names(edges: Sequence[float] | np.ndarray) -> tuple[str, ...]:
    """Return names of left-closed bins, in three digits, or in as many as distinguish the edges."""
    texts = ([f"{edge:.{digits}g}" for edge in edges] for digits in range(3, 18))
    names = next(names for names in texts if len(set(names)) == len(set(edges)))
    bins = [f"[{low}, {high})" for low, high in itertools.pairwise(names)]
    return (*bins[:-1], bins[-1][:-1] + "]")


def _listed(edges: Sequence[float]) -> str:
    return ", ".join(f"{edge:g}" for edge in edges)
