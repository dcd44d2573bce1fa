"""How scores move as images get worse: curves over the levels, and the rank correlation of each image with the level.

The second stand-in for human hardness of Chen et al. 2020 (after Geirhos et al. 2018): a harsher level is harder for
people, so a score of hardness should rise with it, image by image.

`rows` has a row an image, kind and level: `id, kind, level`, a column a score and, for accuracy, `correct` (0, 1 or
NaN). Level 0 has the kind `none` and belongs to every kind.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from avhcurate.stats.intervals import wilson

#: The kind of level 0.
ORIGINAL = "none"
#: Name of the group of all images.
ALL = "all"
#: The share of right predictions among the measures of a curve.
ACCURACY = "accuracy"

#: By how much rounding may miss a correlation of 1; the closest that fewer than 1000 levels come to it is 1e-8.
_ROUNDING = 1e-12

CURVE_COLUMNS = ("group", "kind", "level", "measure", "n", "mean", "ci_low", "ci_high")
SUMMARY_COLUMNS = (
    *("score", "kind", "n", "median", "ci_low", "ci_high"),
    *("expected", "expected_low", "expected_high", "constant"),
)


def level_correlations(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Spearman of each score with the level, image by image: `id, kind`, a column a score, in [-1, 1].

    NaN where the score is the same at every level, or missing at one; ties share their average rank.
    """
    parts = []
    for kind, wide in _by_kind(rows, keys):
        rhos = {key: spearman_with_level(wide[key].to_numpy(float)) for key in keys}
        parts.append(pd.DataFrame({"id": wide.index, "kind": kind} | rhos))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["id", "kind", *keys])


def spearman_with_level(values: np.ndarray) -> np.ndarray:
    """Spearman of each row of values (n, L) with its place in the row: (n,); NaN for a constant row or a gap.

    >>> spearman_with_level(np.array([[1.0, 2.0, 4.0, 3.0], [5.0, 5.0, 5.0, 5.0], [3.0, 3.0, 1.0, 1.0]])).round(3)
    array([ 0.8  ,    nan, -0.894])
    """
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    ranks = stats.rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    place = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    length = np.linalg.norm(ranks, axis=1) * np.linalg.norm(place)
    usable = (length > 0) & ~np.isnan(values).any(axis=1)
    rho = np.divide(ranks @ place, length, out=np.full(len(values), np.nan), where=usable)
    # Rounding must not turn perfect agreement into a little less.
    return np.where(np.abs(rho) > 1 - _ROUNDING, np.sign(rho), rho)


def summarise(rows: pd.DataFrame, signs: Mapping[str, int]) -> pd.DataFrame:
    """A row a score and kind: the median Spearman with the level, and how many images go the expected way.

    `signs`: +1 for a score that should rise with the level, -1 for one that should fall. `median` keeps its sign, with
    the distribution-free interval of `median_interval`; `expected` is the share of the n images whose correlation has
    the score's sign, with its Wilson interval. n leaves out images of which a level is missing, and the `constant`
    ones, whose score is the same at every level and which have no correlation.
    """
    table = []
    for kind, wide in _by_kind(rows, list(signs)):
        for key, sign in signs.items():
            values = wide[key].to_numpy(float)
            constant = int((values == values[:, :1]).all(axis=1).sum())
            rho = spearman_with_level(values)
            rho = rho[~np.isnan(rho)]
            median = float(np.median(rho)) if len(rho) else float("nan")
            table.append([key, kind, len(rho), median, *median_interval(rho), *_share(rho * sign > 0), constant])
    return pd.DataFrame(table, columns=list(SUMMARY_COLUMNS))


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the median by order statistics, whatever the distribution; NaN below 6 values.

    It holds the median in at least 95 % of draws (David and Nagaraja, Order Statistics, 7.1), ties included.

    >>> median_interval(np.arange(1.0, 11.0))  # the second and the ninth of ten
    (2.0, 9.0)
    """
    place = int(stats.binom.ppf(0.025, len(values), 0.5)) if len(values) else 0
    if place < 1:
        return float("nan"), float("nan")
    ordered = np.sort(values)
    return float(ordered[place - 1]), float(ordered[-place])


def curves(rows: pd.DataFrame, measures: Sequence[str], groups: Mapping[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Mean of each measure at every level, level 0 under every kind: columns `CURVE_COLUMNS`.

    `measures` are scores, or `accuracy`, the share of `correct`. `groups` names sets of ids; without them all images
    are one group, `all`. 95 % intervals are Student's for means, Wilson's for accuracy; n is the number of images.
    """
    table = []
    for group, ids in (groups or {ALL: rows["id"].unique()}).items():
        members = rows[rows["id"].isin(ids)]
        for kind in kinds_of(rows):
            for level, images in members[members["kind"].isin([ORIGINAL, kind])].groupby("level"):
                table += [[group, kind, level, measure, *_mean(images, measure)] for measure in measures]
    return pd.DataFrame(table, columns=list(CURVE_COLUMNS))


def kinds_of(rows: pd.DataFrame) -> list[str]:
    """The kinds that occur, in their order."""
    return [str(kind) for kind in rows["kind"].drop_duplicates() if kind != ORIGINAL]


def typical(rows: pd.DataFrame, key: str) -> int | None:
    """The image whose score stays closest to the mean over all levels; None where no image has every level."""
    wide = rows.pivot(index="id", columns=["kind", "level"], values=key).dropna()
    if wide.empty:
        return None
    values = wide.to_numpy(float)
    nearest = np.square(values - values.mean(axis=0)).sum(axis=1).argmin()
    return int(wide.index.to_numpy()[nearest])


def _by_kind(rows: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """For each kind the scores of every image, by id, with columns (score, level) from level 0 on."""
    original = rows[rows["kind"] == ORIGINAL]
    for kind in kinds_of(rows):
        both = pd.concat([original, rows[rows["kind"] == kind]])
        yield kind, both.pivot(index="id", columns="level", values=list(keys))


def _mean(images: pd.DataFrame, measure: str) -> tuple[int, float, float, float]:
    """n, mean and the ends of its interval."""
    values = images["correct" if measure == ACCURACY else measure].to_numpy(float)
    values = values[np.isfinite(values)]
    n = len(values)
    if measure == ACCURACY:
        return n, *_share(values > 0)
    mean = float(values.mean()) if n else float("nan")
    reach = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return n, mean, mean - reach, mean + reach


def _share(hits: np.ndarray) -> tuple[float, float, float]:
    """The share of hits and its Wilson interval; NaN without any."""
    low, high = wilson(hits.sum(), len(hits))
    return float(hits.mean()) if len(hits) else float("nan"), float(low), float(high)
