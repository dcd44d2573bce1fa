"""The correlation table: Spearman of every score with HSF, over all samples and within each HSF bin.

Interval, 95 %: Fisher's z with the standard error of Bonett and Wright (Psychometrika 65, 2000), sqrt((1 + rho^2 / 2) /
(n - 3)), made for Spearman: Pearson's 1 / sqrt(n - 3) is too short, and Fieller, Hartley and Pearson's (1957)
sqrt(1.06 / (n - 3)) does not grow with |rho| as it should. In simulations it covers at its nominal level with ties as
in HSF (see the tests).

p-value: two-sided, that rho is 0. From every permutation below 10 samples, else from Student's t with n - 2 degrees of
freedom (Kendall and Stuart), as scipy's.
"""

import itertools
import os
from collections.abc import Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtr

from avhcurate.measures.stats.ranks import dot, doubled_ranks_in_order, rounded, sorted_positions

COLUMNS = ("score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value")

#: Name of the row over all samples with HSF.
ALL = "all"
#: A correlation over fewer samples is shown and marked.
FEW = 10
#: Standard errors from the middle of a 95 % interval to its ends.
Z = float(ndtri(0.975))
#: Samples whose ranks are summed at a time.
_BLOCK = 1_000_000
#: Scores that are ranked at once, each in a thread.
_AT_ONCE = min(4, os.cpu_count() or 1)


def correlate(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    bin_index: ArrayLike | None = None,
    bin_labels: Sequence[str] = (),
    *,
    ranks: MutableMapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Return Spearman with HSF, signs kept: columns `COLUMNS`, for each score the row `all`, then a row a bin.

    scores: (N,) each, NaN for none; hsf (N,), NaN for none; bin_index (N,) the bin of each sample, -1 for none, an
    index into bin_labels. `all` takes every sample with HSF, also one without a bin. n counts samples with both values;
    an infinite score ranks last, it is not missing. With too few samples or no variation
    the numbers are NaN: see `remarks`. At rho = -1 or 1 Fisher's z and the analytic interval do not exist: NaN.

    A score is read when it is its turn. `ranks` is filled with twice the ranks (N,) int32 of each among the samples
    that count, 0 for the others, from which `correlation_tests.compare` continues.

    >>> table = correlate({"avh": [0.1, 0.2, 0.3, 0.4]}, [0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0], ["[0, 0.5)", "[0.5, 1]"])
    >>> table[["bin", "n", "spearman"]].round(6).values.tolist()
    [['all', 4, -0.8], ['[0, 0.5)', 2, nan], ['[0.5, 1]', 2, nan]]
    """
    votes = numbers(hsf)
    bins = np.full(votes.shape, -1, np.int16)
    if bin_index is not None:
        bins = np.asarray(bin_index, np.int16)
    levels, values = pd.factorize(votes, sort=True)  # by hashing: HSF has few values
    levels = levels.astype(np.min_scalar_type(-len(values) - 1))  # in little room, they are soon in another order

    def of_score(name: str) -> list[dict[str, Any]]:
        groups, of_samples = _rows(numbers(scores[name]), levels=levels, bins=bins, labels=bin_labels)
        if ranks is not None:
            ranks[name] = of_samples
        return [{"score": name} | group for group in groups]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(itertools.chain.from_iterable(pool.map(of_score, scores)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def remarks(table: pd.DataFrame) -> pd.Series:
    """Say why a row has no correlation ("too few", "constant") or an uncertain one ("few"); "" for the others.

    >>> remarks(pd.DataFrame({"n": [2, 9, 50, 50], "spearman": [float("nan"), 0.5, float("nan"), 0.3]})).to_list()
    ['too few', 'few', 'constant', '']
    """
    conditions = [table["n"] < 3, table["spearman"].isna(), table["n"] < FEW]
    return pd.Series(np.select(conditions, ["too few", "constant", "few"], ""), index=table.index, name="remark")


def fisher_interval(rho: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval by Fisher's z, standard error of Bonett and Wright; NaN below 4 samples.

    >>> [round(end, 3) for end in fisher_interval(0.5, 100)]
    [0.326, 0.641]
    """
    if n < 4 or not abs(rho) < 1:
        return float("nan"), float("nan")
    z = np.arctanh(rho)
    reach = Z * np.sqrt((1 + rho * rho / 2) / (n - 3))
    return float(np.tanh(z - reach)), float(np.tanh(z + reach))


def numbers(values: ArrayLike) -> np.ndarray:
    """Return a column as floats, NaN for what pandas calls missing; float32 stays, since it sorts faster."""
    column = pd.Series(values, copy=False)
    if column.dtype == np.float32:
        return column.to_numpy()
    return column.to_numpy(np.float64, na_value=np.nan)


def _rows(
    values: np.ndarray, *, levels: np.ndarray, bins: np.ndarray, labels: Sequence[str]
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the rows of one score, and twice its ranks (N,) among the samples that count, 0 for the others.

    It is sorted once for all groups, and HSF never: its few values are counted.
    """
    present = (levels >= 0) & ~np.isnan(values)
    counted: np.ndarray | slice = present
    if present.all():
        counted = slice(None)  # a view in place of a copy
    order, ordered = sorted_positions(values[counted])
    ranks = doubled_ranks_in_order(ordered)
    del ordered  # of ten million samples two scores at once take a gigabyte
    bins_in_order = bins[counted][order]
    levels_in_order = levels[counted][order]
    rows = [{"bin": ALL} | _row(ranks, levels_in_order)]
    for number, label in enumerate(labels):
        inside = np.flatnonzero(bins_in_order == number)
        rows.append({"bin": label} | _row(doubled_ranks_in_order(ranks[inside]), levels_in_order[inside]))
    of_known = np.empty_like(ranks)
    of_known[order] = ranks
    if len(of_known) == len(values):
        return rows, of_known
    of_samples = np.zeros(len(values), np.int32)
    of_samples[counted] = of_known
    return rows, of_samples


def _row(ranks: np.ndarray, levels: np.ndarray) -> dict[str, float]:
    """Return the correlation of scores, by twice their ranks, with levels of HSF."""
    n = len(ranks)
    num_levels = 1 + int(levels.max(initial=-1))
    counts = np.zeros(num_levels, np.int64)
    sums = np.zeros(num_levels)
    squares = 0.0
    for start in range(0, n, _BLOCK):
        part = levels[start : start + _BLOCK]
        x = ranks[start : start + _BLOCK] - (n + 1.0)
        counts += np.bincount(part, minlength=num_levels)
        sums += np.bincount(part, x, num_levels)
        squares += dot(x, x)
    # Twice the ranks of each level from their mean, as x are those of samples by their score.
    y = 2.0 * np.cumsum(counts) - counts - n
    length = np.sqrt(squares * dot(counts, y * y))
    rho = p_value = fisher_z = float("nan")
    if n > 2 and length > 0:
        rho = float(rounded(dot(sums, y) / length))
        p_value = _p_value(rho, ranks, y, levels)
    low, high = fisher_interval(rho, n)
    if abs(rho) < 1:
        fisher_z = float(np.arctanh(rho))
    return {"n": n, "spearman": rho, "ci_low": low, "ci_high": high, "fisher_z": fisher_z, "p_value": p_value}


def _p_value(rho: float, ranks: np.ndarray, y: np.ndarray, levels: np.ndarray) -> float:
    n = len(ranks)
    if n < FEW:
        # Of all orders of HSF, those whose correlation is as far from 0. The sums are whole numbers.
        hsf = y[levels]
        x = ranks - (n + 1.0)
        return float(np.mean(np.abs(hsf[_permutations(n)] @ x) >= abs(hsf @ x)))
    if abs(rho) == 1:
        return 0.0
    return float(2 * stdtr(n - 2, -abs(rho) * np.sqrt((n - 2) / (1 - rho * rho))))


@lru_cache
def _permutations(n: int) -> np.ndarray:
    return np.array(list(itertools.permutations(range(n))), np.int8)
