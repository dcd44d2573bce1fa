"""How scores move as images get worse: curves over the levels, and the rank correlation of each image with the level.

The paper's second stand-in for human hardness (Chen et al. 2020, after Geirhos et al. 2018): a harsher level is harder
for people, so a score of hardness should rise with it, image by image.

`rows` are a row an image, kind and level: `id, kind, level`, a column a score and, for accuracy, `correct` (0, 1 or
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
    "score",
    "kind",
    "n",
    "median",
    "ci_low",
    "ci_high",
    "expected",
    "expected_low",
    "expected_high",
    "constant",
)


def level_correlations(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Spearman of each score with the level, image by image: `id, kind`, a column a score, in [-1, 1].

    NaN where the score is the same at every level, or missing at one; ties share their average rank.
    """
    parts = []
    for kind, wide in _by_kind(rows, keys):
        found = {key: spearman_with_level(wide[key].to_numpy(float)) for key in keys}
        parts.append(pd.DataFrame({"id": wide.index, "kind": kind} | found))
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


def constant_over_levels(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Images whose score is there and the same at every level: `kind`, a count a score."""
    parts = []
    for kind, wide in _by_kind(rows, keys):
        counts = {}
        for key in keys:
            values = wide[key].to_numpy(float)
            counts[key] = int((values == values[:, :1]).all(axis=1).sum())
        parts.append({"kind": kind} | counts)
    return pd.DataFrame(parts, columns=["kind", *keys])


def summarise(rows: pd.DataFrame, signs: Mapping[str, int], *, level: float = 0.95) -> pd.DataFrame:
    """A row a score and kind: the median Spearman with the level, and how many images go the expected way.

    `signs`: +1 for a score that should rise with the level, -1 for one that should fall. `median` keeps its sign, with
    the distribution-free interval of `median_interval`; `expected` is the share of the n images whose correlation has
    the score's sign, with its Wilson interval. n leaves out images of which a level is missing, and the `constant`
    ones, whose score is the same at every level and which have no correlation.
    """
    keys = list(signs)
    rhos = level_correlations(rows, keys)
    constant = {str(row["kind"]): row for row in constant_over_levels(rows, keys).to_dict("records")}
    found = []
    for kind, of_kind_constant in constant.items():
        of_kind = rhos[rhos["kind"] == kind]
        for key in keys:
            rho = of_kind[key].dropna().to_numpy(float)
            share = _share(rho * signs[key] > 0, level)
            middle = float(np.median(rho)) if len(rho) else float("nan")
            ends = median_interval(rho, level=level)
            found.append([key, kind, len(rho), middle, *ends, *share, of_kind_constant[key]])
    return pd.DataFrame(found, columns=list(SUMMARY_COLUMNS))


def median_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of the median by order statistics, whatever the distribution; NaN below 6 values, too few for 95 %.

    It holds the median at least as often as it says (David and Nagaraja, Order Statistics, 7.1), ties included.

    >>> median_interval(np.arange(1.0, 11.0))  # the second and the ninth of ten
    (2.0, 9.0)
    """
    place = int(stats.binom.ppf((1 - level) / 2, len(values), 0.5)) if len(values) else 0
    if place < 1:
        return float("nan"), float("nan")
    ordered = np.sort(values)
    return float(ordered[place - 1]), float(ordered[-place])


def curves(
    rows: pd.DataFrame, measures: Sequence[str], groups: Mapping[str, np.ndarray] | None = None, *, level: float = 0.95
) -> pd.DataFrame:
    """Mean of each measure at every level, level 0 under every kind: columns `CURVE_COLUMNS`.

    `measures` are scores, or `accuracy`, the share of `correct`. `groups` names sets of ids; without them all images
    are one group, `all`. Intervals are Student's for means, Wilson's for accuracy; n is the number of images.
    """
    found = []
    for group, ids in (groups or {ALL: rows["id"].unique()}).items():
        members = rows[rows["id"].isin(ids)]
        for kind in kinds_of(rows):
            at = members[members["kind"].isin([ORIGINAL, kind])].groupby("level")
            for step, images in at:
                for measure in measures:
                    found.append([group, kind, step, measure, *_mean(images, measure, level)])
    return pd.DataFrame(found, columns=list(CURVE_COLUMNS))


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


def _mean(images: pd.DataFrame, measure: str, level: float) -> tuple[int, float, float, float]:
    """n, mean and the ends of its interval."""
    if measure == ACCURACY:
        correct = images["correct"].dropna().to_numpy(float)
        return len(correct), *_share(correct > 0, level)
    values = images[measure].dropna().to_numpy(float)
    values = values[np.isfinite(values)]
    n = len(values)
    mean = float(values.mean()) if n else float("nan")
    if n < 2:
        return n, mean, float("nan"), float("nan")
    reach = float(stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return n, mean, mean - reach, mean + reach


def _share(hits: np.ndarray, level: float) -> tuple[float, float, float]:
    """The share of hits and its Wilson interval; NaN without any."""
    low, high = wilson(hits.sum(), len(hits), level=level)
    return float(hits.mean()) if len(hits) else float("nan"), float(low), float(high)
