"""The correlation table: Spearman of every score with HSF, over all samples and within each HSF bin.

Interval, 95 %: Fisher's z with the standard error of Bonett and Wright (Psychometrika 65, 2000), sqrt((1 + rho^2 / 2) /
(n - 3)), made for Spearman: Pearson's 1 / sqrt(n - 3) is too short, and Fieller, Hartley and Pearson's (1957)
sqrt(1.06 / (n - 3)) does not grow with |rho| as it should. In simulations it covers at its nominal level with ties as
in HSF (see the tests). The alternative is a percentile bootstrap over samples.

p-value: two-sided, that rho is 0. From every permutation below 10 samples, else from Student's t with n - 2 degrees of
freedom (Kendall and Stuart), as scipy's.
"""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtr

from avhcurate.errors import CurateError
from avhcurate.stats.ranks import Resampled, doubled_ranks_in_order, resample, sorted_places, spearman, standardised

COLUMNS = ("score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value")

#: Name of the row over all samples with HSF.
ALL = "all"
#: A correlation over fewer samples is shown and marked.
FEW = 10

#: Standard errors from the middle of a 95 % interval to its ends.
_Z = float(ndtri(0.975))
_RESAMPLES = 1000

#: Scores that are ranked at once, each in a thread.
_AT_ONCE = 4


class _Row(NamedTuple):
    """A score in a group of samples: how many have it, Spearman with HSF and p."""

    score: str
    label: str
    n: int
    rho: float
    p_value: float


@dataclass(frozen=True)
class _Cells:
    """Samples with the same HSF in the same bin make a cell; `codes` (N,) is the cell of each sample, -1 without HSF.

    levels, bins: (cells,) the place of the HSF among all, and the bin, -1 for none. labels: names of the bins.
    """

    codes: np.ndarray
    levels: np.ndarray
    bins: np.ndarray
    labels: tuple[str, ...]

    def standard_ranks(self, codes: np.ndarray) -> np.ndarray | None:
        """By cell, the standard rank of HSF among samples of these cells; None where they have one HSF."""
        sizes = np.bincount(codes, minlength=len(self.levels))
        counts = np.bincount(self.levels, weights=sizes)
        ranks = np.cumsum(counts) - counts / 2 - len(codes) / 2
        length = np.sqrt(np.dot(counts, ranks * ranks))
        return (ranks / length)[self.levels] if np.count_nonzero(counts) > 1 else None

    def members(self, label: str) -> np.ndarray:
        """Which samples (N,) belong to a row of the table."""
        voted = self.codes >= 0
        return voted if label == ALL else voted & (self.bins[self.codes] == self.labels.index(label))


def correlate(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    bin_index: ArrayLike | None = None,
    bin_labels: Sequence[str] = (),
    *,
    ids: ArrayLike | None = None,
    bootstrap: bool = False,
    seed: int = 0,
    kept: dict[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Spearman with HSF, signs kept: columns `COLUMNS`, for each score the row `all`, then a row a bin.

    scores: (N,) each, NaN for none; hsf (N,), NaN for none; bin_index (N,) the one bin of each sample, -1 for none, an
    index into bin_labels. `all` takes every sample with HSF, also one in no bin. n counts samples with both values;
    an infinite score ranks last, it is not missing. Where there is no correlation, for too few samples or no variation,
    the numbers are NaN: see `remarks`. At rho = -1 or 1 Fisher's z and the analytic interval do not exist: NaN.

    `kept` takes what `correlation_tests.compare` need not rank again. With `ids` (N,) a sample listed twice is refused.
    Raises CurateError for columns of unequal length as well.

    >>> table = correlate({"avh": [0.1, 0.2, 0.3, 0.4]}, [0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0], ["[0, 0.5)", "[0.5, 1]"])
    >>> table[["bin", "n", "spearman"]].round(6).values.tolist()
    [['all', 4, -0.8], ['[0, 0.5)', 2, nan], ['[0.5, 1]', 2, nan]]
    """
    columns = {name: numbers(values) for name, values in scores.items()}
    votes = numbers(hsf)
    check_samples(columns, votes, ids)
    cells = _groups(votes, bin_index, bin_labels)
    rows = []
    for name, label, n, rho, p in _each(columns, cells, kept):
        if bootstrap and not np.isnan(rho):
            members = cells.members(label) & ~np.isnan(columns[name])
            low, high = _bootstrap_interval(columns[name][members], votes[members], seed)
        else:
            low, high = fisher_interval(rho, n)
        fisher_z = float(np.arctanh(rho)) if abs(rho) < 1 else float("nan")
        rows.append([name, label, n, rho, low, high, fisher_z, p])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def remarks(table: pd.DataFrame) -> pd.Series:
    """Why a row of the correlation table has no correlation ("too few", "constant") or is uncertain ("few"); else "".

    >>> remarks(pd.DataFrame({"n": [2, 9, 50, 50], "spearman": [float("nan"), 0.5, float("nan"), 0.3]})).to_list()
    ['too few', 'few', 'constant', '']
    """
    conditions = [table["n"] < 3, table["spearman"].isna(), table["n"] < FEW]
    return pd.Series(np.select(conditions, ["too few", "constant", "few"], ""), index=table.index, name="remark")


def fisher_interval(rho: float, n: int) -> tuple[float, float]:
    """95 % interval of a Spearman correlation by Fisher's z, standard error of Bonett and Wright; NaN below 4 samples.

    >>> [round(end, 3) for end in fisher_interval(0.5, 100)]
    [0.326, 0.641]
    """
    if n < 4 or not abs(rho) < 1:
        return float("nan"), float("nan")
    reach = _Z * standard_error(rho, n)
    return float(np.tanh(np.arctanh(rho) - reach)), float(np.tanh(np.arctanh(rho) + reach))


def standard_error(rho: float, n: int) -> float:
    """Bonett and Wright's standard error of Fisher's z of a Spearman correlation; NaN below 4 samples."""
    return float(np.sqrt((1 + rho * rho / 2) / (n - 3))) if n >= 4 else float("nan")


def numbers(values: ArrayLike) -> np.ndarray:
    """A column as floats (float32 stays so, it sorts faster), with NaN for whatever pandas calls missing."""
    if isinstance(values, np.ndarray) and values.dtype in (np.float32, np.float64):
        return values
    column = pd.Series(values)
    return column.to_numpy(np.float32 if column.dtype == np.float32 else np.float64, na_value=np.nan)


def check_samples(scores: Mapping[str, np.ndarray], hsf: np.ndarray, ids: ArrayLike | None = None) -> None:
    """Refuses columns of unequal length and samples listed twice."""
    for name, values in scores.items():
        if values.shape != hsf.shape or values.ndim != 1:
            raise CurateError(f"{name} has {values.shape} values and hsf {hsf.shape}: give one a sample each")
    if ids is None:
        return
    listed = pd.Series(np.asarray(ids))
    if len(listed) != len(hsf):
        raise CurateError(f"there are {len(listed)} ids for {len(hsf)} samples: give one a sample")
    if len(listed) < 2 or (np.diff(listed) > 0).all():
        return
    if len(twice := listed[listed.duplicated()].to_list()):
        raise CurateError(f"sample {twice[0]} is listed more than once ({len(twice)} rows too many): count each once")


def _groups(hsf: np.ndarray, bin_index: ArrayLike | None, bin_labels: Sequence[str]) -> _Cells:
    """Samples with HSF: all of them, then those of each bin. A sample has one bin, so no two bins share one."""
    voted = ~np.isnan(hsf)
    index = np.full(hsf.shape, -1) if bin_index is None else np.asarray(bin_index)
    if index.shape != hsf.shape or not np.issubdtype(index.dtype, np.integer):
        raise CurateError(f"bin_index must hold one whole number a sample, {len(hsf)} in all")
    if voted.any() and index[voted].max() >= len(bin_labels):
        raise CurateError(f"bin {index[voted].max()} has no name: there are {len(bin_labels)} bin_labels")
    level, levels = pd.factorize(hsf, sort=True)  # by hashing: HSF takes few values
    codes, cells = pd.factorize(np.where(voted, (index + 1) * len(levels) + level, -1))
    bins, level = np.divmod(cells, max(1, len(levels)))
    codes[~voted] = -1
    kind = np.int16 if len(cells) < 2**15 else np.int32
    return _Cells(codes.astype(kind), level, bins - 1, () if bin_index is None else tuple(bin_labels))


def _each(scores: Mapping[str, np.ndarray], cells: _Cells, kept: dict[str, np.ndarray] | None) -> Iterator[_Row]:
    """A row of the table a score and group; scores are worked on by several threads, a few at once.

    A score is sorted once, for all groups, and HSF not at all: it takes few values, and what remains is to count them.
    """
    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
        of_score = partial(_of_score, cells=cells, keep=kept is not None)
        for name, (rows, ranks) in zip(scores, pool.map(of_score, scores.values()), strict=True):
            yield from (row._replace(score=name) for row in rows)
            if kept is not None and ranks is not None:
                kept[name] = ranks


def _of_score(values: np.ndarray, cells: _Cells, *, keep: bool) -> tuple[list[_Row], np.ndarray | None]:
    """The rows of a score, and, to `keep` them, twice its ranks (N,) among the samples that count, 0 elsewhere."""
    there = np.flatnonzero((cells.codes >= 0) & ~np.isnan(values))
    order, ordered = sorted_places(values if len(there) == len(values) else values[there])
    order = order if len(there) == len(values) else there[order]
    codes = cells.codes[order]
    in_order = doubled_ranks_in_order(ordered)
    rows = [_row(ALL, in_order, codes, cells)]
    bins = cells.bins.astype(np.int16)[codes]
    for number, label in enumerate(cells.labels):
        inside = np.flatnonzero(bins == number)
        rows.append(_row(label, doubled_ranks_in_order(ordered[inside]), codes[inside], cells))
    if not keep:
        return rows, None
    ranks = np.zeros(len(values), np.int32)
    ranks[order] = in_order
    return rows, ranks


def _row(label: str, doubled: np.ndarray, codes: np.ndarray, cells: _Cells) -> _Row:
    """The correlation of samples by twice the ranks of their score, `codes` their cells."""
    x = y = None
    if len(codes) > 2 and (by_cell := cells.standard_ranks(codes)) is not None:
        x, y = standardised(doubled / 2), by_cell[codes]
    rho = spearman(x, y)
    return _Row("", label, len(codes), rho, _p_value(rho, len(codes), x, y))


def _bootstrap_interval(score: np.ndarray, hsf: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % percentile interval over resamples of the samples, which must have a correlation."""
    rng = np.random.default_rng(seed)  # the same resamples for every score: equal ranks have equal intervals
    x, y, drawn = Resampled(score), Resampled(hsf), []
    for _ in range(_RESAMPLES):
        times = resample(len(score), rng)
        drawn.append(spearman(x.standard_ranks(times), y.standard_ranks(times), times))
    # A resample of one value has no correlation; it says nothing about where the interval ends.
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _p_value(rho: float, n: int, x: np.ndarray | None, y: np.ndarray | None) -> float:
    if x is None or y is None:
        return float("nan")
    if n < FEW:
        return _permutation_p_value(rho, x, y)
    if abs(rho) == 1:
        return 0.0
    return float(2 * stdtr(n - 2, -abs(rho) * np.sqrt((n - 2) / (1 - rho * rho))))


def _permutation_p_value(rho: float, x: np.ndarray, y: np.ndarray) -> float:
    """Share of all orders of y whose correlation with x is as far from 0; rounding must not part equal ones."""
    return float(np.mean(np.abs(y[_permutations(len(x))] @ x) >= abs(rho) - 1e-9))


@lru_cache
def _permutations(n: int) -> np.ndarray:
    return np.array(list(itertools.permutations(range(n))), np.int8)
