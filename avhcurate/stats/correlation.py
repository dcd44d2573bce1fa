"""The correlation table: Spearman of every score with HSF, over all samples and within each HSF bin.

Interval: Fisher's z with the standard error of Bonett and Wright (Psychometrika 65, 2000), sqrt((1 + rho^2 / 2) /
(n - 3)), made for Spearman: Pearson's 1 / sqrt(n - 3) is too short, and Fieller, Hartley and Pearson's (1957)
sqrt(1.06 / (n - 3)) does not grow with |rho| as it should. It simulates at its nominal level with ties as in HSF (see
the tests). A percentile bootstrap over samples is there on request.

p-value: two-sided, that rho is 0. From every permutation below 10 samples, else from Student's t with n - 2 degrees of
freedom (Kendall and Stuart), as scipy's.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtr

from avhcurate.errors import CurateError
from avhcurate.stats.ranks import Resampled, resample, spearman, standard_ranks, standard_ranks_in_order

COLUMNS = ("score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value")

#: Name of the row over all samples with HSF.
ALL = "all"
#: A correlation over fewer samples is shown and marked.
FEW = 10


def correlate(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    bin_index: ArrayLike | None = None,
    bin_labels: Sequence[str] = (),
    *,
    ids: ArrayLike | None = None,
    interval: Literal["analytic", "bootstrap"] = "analytic",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Spearman with HSF, signs kept: columns `COLUMNS`, for each score the row `all`, then a row a bin.

    scores: (N,) each, NaN for none; hsf (N,), NaN for none; bin_index (N,) the one bin of each sample, -1 for none, an
    index into bin_labels. `all` takes every sample with HSF, also one in no bin. n counts samples with both values;
    an infinite score ranks last, it is not missing. Where there is no correlation, for too few samples or no variation,
    the numbers are NaN: see `remarks`. At rho = -1 or 1 Fisher's z and the analytic interval do not exist: NaN.

    With `ids` (N,) a sample listed twice is refused. Raises CurateError for columns of unequal length as well.

    >>> table = correlate({"avh": [0.1, 0.2, 0.3, 0.4]}, [0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0], ["[0, 0.5)", "[0.5, 1]"])
    >>> table[["bin", "n", "spearman"]].values.tolist()
    [['all', 4, -0.8], ['[0, 0.5)', 2, nan], ['[0.5, 1]', 2, nan]]
    """
    columns = {name: numbers(values) for name, values in scores.items()}
    votes = numbers(hsf)
    check_samples(columns, votes, ids)
    check_interval(level, resamples)
    if interval not in ("analytic", "bootstrap"):
        raise CurateError(f'the interval must be "analytic" or "bootstrap", not {interval!r}')
    groups = list(_groups(votes, bin_index, bin_labels))
    rng = np.random.default_rng(seed)
    rows = []
    for name, label, members, rho, p in _each(columns, votes, groups):
        n = len(members)
        if interval == "analytic":
            low, high = fisher_interval(rho, n, level)
        else:
            low, high = _bootstrap_interval(
                columns[name][members], votes[members], level=level, resamples=resamples, rng=rng
            )
        rows.append([name, label, n, rho, low, high, fisher_z(rho), p])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def remarks(table: pd.DataFrame) -> pd.Series:
    """Why a row of the correlation table has no correlation or deserves little trust; "" where nothing is amiss.

    >>> remarks(pd.DataFrame({"n": [2, 9, 50, 50], "spearman": [float("nan"), 0.5, float("nan"), 0.3]})).to_list()
    ['fewer than 3 samples', 'fewer than 10 samples', 'the score or HSF is constant', '']
    """
    none = table["spearman"].isna()
    remark = np.select(
        [table["n"] < 3, none, table["n"] < FEW],
        ["fewer than 3 samples", "the score or HSF is constant", f"fewer than {FEW} samples"],
        "",
    )
    return pd.Series(remark, index=table.index, name="remark")


def fisher_z(rho: float) -> float:
    """atanh(rho); NaN at -1 and 1, where it is infinite."""
    return float(np.arctanh(rho)) if abs(rho) < 1 else float("nan")


def fisher_interval(rho: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a Spearman correlation by Fisher's z with Bonett and Wright's standard error; NaN below 4 samples.

    >>> [round(end, 3) for end in fisher_interval(0.5, 100)]
    [0.326, 0.641]
    """
    if n < 4 or not abs(rho) < 1:
        return float("nan"), float("nan")
    reach = ndtri((1 + level) / 2) * np.sqrt((1 + rho * rho / 2) / (n - 3))
    return float(np.tanh(np.arctanh(rho) - reach)), float(np.tanh(np.arctanh(rho) + reach))


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
    if len(twice := listed[listed.duplicated()].to_list()):
        raise CurateError(f"sample {twice[0]} is listed more than once ({len(twice)} rows too many): count each once")


def check_interval(level: float, resamples: int) -> None:
    """Refuses levels outside (0, 1) and fewer than 100 resamples, too few for the ends of an interval."""
    if not 0 < level < 1:
        raise CurateError(f"the confidence level must lie between 0 and 1, as 0.95 does; it was {level}")
    if resamples < 100:
        raise CurateError(f"a bootstrap interval needs 100 resamples or more; there were {resamples}")


def _groups(hsf: np.ndarray, bin_index: ArrayLike | None, bin_labels: Sequence[str]) -> Iterator["_Group"]:
    """Samples with HSF: all of them, then those of each bin. A sample has one bin, so no two bins share one."""
    voted = ~np.isnan(hsf)
    yield _Group(ALL, voted)
    if bin_index is None:
        return
    index = np.asarray(bin_index)
    if index.shape != hsf.shape or not np.issubdtype(index.dtype, np.integer):
        raise CurateError(f"bin_index must hold one whole number a sample, {len(hsf)} in all")
    if voted.any() and index[voted].max() >= len(bin_labels):
        raise CurateError(f"bin {index[voted].max()} has no name: there are {len(bin_labels)} bin_labels")
    for number, label in enumerate(bin_labels):
        yield _Group(label, voted & (index == number))


class _Group(NamedTuple):
    """A row of the table: `members` (N,) are its samples."""

    label: str
    members: np.ndarray


def _each(
    scores: Mapping[str, np.ndarray], hsf: np.ndarray, groups: Sequence[_Group]
) -> Iterator[tuple[str, str, np.ndarray, float, float]]:
    """Score, group, its samples in the order of the score, rho and p.

    A score is sorted once, for all groups; HSF is ranked again only where another set of samples has the score.
    """
    has, humans = None, []
    for name, values in scores.items():
        now = ~np.isnan(values)
        if has is None or not np.array_equal(has, now):
            has, humans = now, [_human_ranks(hsf, group.members & now) for group in groups]
        voted = np.flatnonzero(groups[0].members & has)
        order = voted[np.argsort(values[voted])]
        for group, human in zip(groups, humans, strict=True):
            members = order[group.members[order]]
            y = human[members] if human is not None else None
            x = standard_ranks_in_order(values[members]) if y is not None else None
            rho = spearman(x, y)
            yield name, group.label, members, rho, _p_value(rho, len(members), x, y)


def _human_ranks(hsf: np.ndarray, members: np.ndarray) -> np.ndarray | None:
    """Standard ranks of HSF among the members, (N,), 0 elsewhere; None where there is no correlation with it."""
    found = standard_ranks(hsf[members]) if members.sum() > 2 else None
    if found is None:
        return None
    ranks = np.zeros(len(hsf))
    ranks[members] = found
    return ranks


def _bootstrap_interval(
    score: np.ndarray, hsf: np.ndarray, *, level: float, resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Percentile interval over resamples of the samples; NaN where the samples themselves have no correlation."""
    has = ~np.isnan(score)
    if has.sum() < 3 or np.ptp(hsf[has]) == 0 or (score[has] == score[has][0]).all():
        return float("nan"), float("nan")
    x, y, n = Resampled(score[has]), Resampled(hsf[has]), int(has.sum())
    drawn = [_resampled(x, y, resample(n, rng)) for _ in range(resamples)]
    # A resample of one value has no correlation; it says nothing about where the interval ends.
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resampled(score: Resampled, hsf: Resampled, times: np.ndarray) -> float:
    return spearman(score.standard_ranks(times), hsf.standard_ranks(times), times)


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
