"""How scores move as images get worse: curves over the levels, and the rank correlation of each image with the level.

The second stand-in for human hardness of Chen et al. 2020 (after Geirhos et al. 2018): a harsher level is harder for
people, so a score of hardness should rise with it, image by image.

`rows` has a row an image, kind and level: `id, kind, level`, a column a score and, for accuracy, `correct` (0, 1 or
NaN). Level 0 has the kind `none` and belongs to every kind.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from avhcurate.measures.stats.intervals import share

#: The kind of level 0.
ORIGINAL = "none"
#: The share of right predictions among the measures of a curve.
ACCURACY = "accuracy"

#: Measures whose column has another name.
_COLUMN = {ACCURACY: "correct"}
#: By how much rounding may miss a correlation of 1; the closest that fewer than 1000 levels come to it is 1e-8.
_ROUNDING = 1e-12

CURVE_COLUMNS = ["group", "kind", "level", "measure", "n", "mean", "ci_low", "ci_high", "ids"]
SUMMARY_COLUMNS = [
    *("score", "kind", "n", "median", "ci_low", "ci_high"),
    *("expected", "expected_low", "expected_high"),
]


def level_correlations(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return Spearman of each score with the level, image by image: `id, kind`, a column a score, in [-1, 1].

    NaN where the score is the same at every level, or missing at one; ties share their average rank.
    """
    parts = []
    for kind, of_kind in _by_kind(rows).groupby("kind", sort=False):
        wide = of_kind.pivot(index="id", columns="level", values=list(keys))
        rhos = {key: spearman_with_level(wide[key].to_numpy(float)) for key in keys}
        parts.append(pd.DataFrame({"id": wide.index, "kind": kind} | rhos))
    if not parts:
        return pd.DataFrame(columns=["id", "kind", *keys])
    return pd.concat(parts, ignore_index=True)


def spearman_with_level(values: np.ndarray) -> np.ndarray:
    """Return Spearman of each row of values (n, L) with its place in the row: (n,); NaN for a constant row or a gap.

    >>> spearman_with_level(np.array([[1.0, 2.0, 4.0, 3.0], [5.0, 5.0, 5.0, 5.0], [3.0, 3.0, 1.0, 1.0]])).round(3)
    array([ 0.8  ,    nan, -0.894])
    """
    ranks = stats.rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    levels = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    length = np.linalg.norm(ranks, axis=1) * np.linalg.norm(levels)
    usable = (length > 0) & ~np.isnan(values).any(axis=1)
    rho = np.divide(ranks @ levels, length, out=np.full(len(values), np.nan), where=usable)
    # Rounding must not turn perfect agreement into a little less.
    return np.where(np.abs(rho) > 1 - _ROUNDING, np.sign(rho), rho)


def summarise(rhos: pd.DataFrame, signs: Mapping[str, int]) -> pd.DataFrame:
    """Return a row a score and kind: the median Spearman with the level, and how many images go the expected way.

    `rhos` are those of `level_correlations`. `signs`: +1 for a score that should rise with the level, -1 for one that
    should fall. `median` keeps its sign, with the interval of `median_interval`; `expected` is the share of the n
    images with a correlation whose correlation has the score's sign, with its Wilson interval.
    """
    table = []
    for kind, of_kind in rhos.groupby("kind", sort=False):
        for key, sign in signs.items():
            rho = of_kind[key].dropna().astype(float)
            n, *expected = share((rho * sign > 0).sum(), len(rho))
            table.append([key, kind, n, rho.median(), *median_interval(rho.to_numpy()), *expected])
    return pd.DataFrame(table, columns=SUMMARY_COLUMNS)


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the median by order statistics; NaN below 6 values.

    David and Nagaraja, Order Statistics, section 7.1.

    >>> median_interval(np.arange(1.0, 11.0))  # the second and the ninth of ten
    (2.0, 9.0)
    """
    if len(values) < 6:
        return float("nan"), float("nan")
    rank = int(stats.binom.ppf(0.025, len(values), 0.5))
    ordered = np.sort(values)
    return float(ordered[rank - 1]), float(ordered[-rank])


def curves(rows: pd.DataFrame, measures: Sequence[str], groups: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the mean of each measure at every level, level 0 under every kind: columns `CURVE_COLUMNS`.

    `measures` are scores, or `accuracy`, the share of `correct`. `groups` names sets of ids. 95 % intervals are
    Student's for means, Wilson's for accuracy; n is the number of images, `ids` are theirs.
    """
    table = []
    rows = _by_kind(rows)
    for group, ids in groups.items():
        for (kind, level), images in rows[rows["id"].isin(ids)].groupby(["kind", "level"]):
            for measure in measures:
                scored = images[np.isfinite(images[_COLUMN.get(measure, measure)])]
                table.append([group, kind, level, measure, *_mean(scored, measure), tuple(scored["id"].tolist())])
    return pd.DataFrame(table, columns=CURVE_COLUMNS)


def _by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with level 0 repeated under every kind."""
    original = rows[rows["kind"] == ORIGINAL]
    parts = [rows[rows["kind"] != ORIGINAL]]
    parts += [original.assign(kind=kind) for kind in parts[0]["kind"].unique()]
    return pd.concat(parts)


def _mean(images: pd.DataFrame, measure: str) -> tuple[float, ...]:
    """Return n, the mean and the ends of its interval."""
    if measure == ACCURACY:
        return share(int(images["correct"].sum()), len(images))
    values = images[measure].to_numpy(float)
    if len(values) < 2:
        return len(values), pd.Series(values).mean(), np.nan, np.nan
    low, high = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    return len(values), values.mean(), low, high
