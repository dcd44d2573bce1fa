"""Pairs of classes that are close and mixed up, and the two parts that the embeddings of a class fall into."""

from collections.abc import Sequence

import array_api_compat.numpy as xp
import numpy as np
import pandas as pd
from scipy import sparse

from avhcurate.measures.scores.angular import chord_angle
from avhcurate.measures.stats.neighbours import nearest_of, unit

#: Up to so many classes every pair is looked at; of more, those that cross, and so many of the nearest of each class.
ALL_PAIRS = 300
NEAREST = 10
#: Classes whose neighbours are searched at once; pairs whose angles are measured at once, by the width of vectors.
_SEARCHED = 1000
_NUMBERS = 1 << 22


def nearest_classes(vectors: np.ndarray, *, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for class weights or means (K, D) the `count` nearest others, (K, count), and the angles in degrees.

    -1 and NaN where there are fewer, and for a class without any.

    >>> nearest_classes(np.array([[1.0, 0.0], [0.0, 2.0], [np.nan, np.nan]]), count=1)[0].tolist()
    [[1], [0], [-1]]
    """
    every = np.arange(len(vectors))
    parts = [nearest_of(vectors, part, count=count) for part in np.array_split(every, 1 + len(every) // _SEARCHED)]
    ids, angles = (np.concatenate(found) for found in zip(*parts, strict=True))
    return ids, np.degrees(angles)


def angles_of(vectors: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angles between pairs of class weights or means (K, D), (P,) each, in degrees; NaN without direction.

    >>> angles_of(np.array([[1.0, 0.0], [0.0, 2.0], [np.nan, np.nan]]), np.array([0, 0]), np.array([1, 2])).round()
    array([90., nan])
    """
    directions = unit(np.asarray(vectors, np.float64))
    angles = np.empty(len(first))
    step = max(1, _NUMBERS // directions.shape[1])
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        angles[part] = chord_angle(xp, directions[first[part]], directions[second[part]])
    return np.degrees(angles)


def candidates(choices: sparse.coo_array, *vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of classes that may be one: the lower numbers (P,) and the higher ones (P,).

    All of them up to ALL_PAIRS classes. Of more, those of which images were taken for each other, `choices` (K, K), and
    the NEAREST of each class by its means and by its weights, `vectors` (K, D).
    """
    number = choices.shape[0]
    if number <= ALL_PAIRS:
        return np.triu_indices(number, 1)
    found = [np.stack(choices.coords)]
    for of_class in vectors:
        near, _ = nearest_classes(of_class, count=NEAREST)
        found.append(np.stack([np.repeat(np.arange(number), near.shape[1]), near.ravel()]))
    pairs = np.sort(np.concatenate(found, axis=1), axis=0)
    pairs = np.unique(pairs[:, (pairs[0] >= 0) & (pairs[0] != pairs[1])], axis=1)
    return pairs[0], pairs[1]


def pairs_of(
    classes: Sequence[str], choices: sparse.coo_array | np.ndarray, means: np.ndarray, weights: np.ndarray
) -> pd.DataFrame:
    """Return the pairs of classes of `candidates`, what looks most like one class first.

    choices (K, K): how often images of a class (row) were taken for each class; `crossings` is the share of the choices
    among the two, on images of the two, that are for the other class, and `votes` their number. means and weights
    (K, D): the mean embeddings and the class weights, and in the result the angles between them, in degrees; NaN for a
    class without any. The order is by the sum of the ranks of the crossings and of the angle of the means; without
    that, the first counts twice. Class weights do not order: those of two halves of one class are far apart, since a
    head sets apart what it was told to.

    >>> mean = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    >>> choices = np.array([[6, 4, 0], [2, 8, 0], [0, 0, 9]])
    >>> pairs_of(["cat", "lynx", "dog"], choices, mean, mean).round(1).to_numpy().tolist()[0]
    ['cat', 'lynx', 0.3, 36.9, 36.9, 20]
    """
    counts = sparse.coo_array(choices)
    first, second = candidates(counts, means, weights)
    by_pair = counts.tocsr()
    crossed = _cells(by_pair, first, second) + _cells(by_pair, second, first)
    own = counts.diagonal()
    votes = crossed + own[first] + own[second]
    names = np.array(classes, object)
    rows = pd.DataFrame(
        {
            "first": names[first],
            "second": names[second],
            "crossings": crossed / np.where(votes > 0, votes, np.nan),
            "means": angles_of(means, first, second),
            "weights": angles_of(weights, first, second),
            "votes": votes,
        }
    )
    by_votes = rows["crossings"].rank(ascending=False, na_option="bottom")
    places = by_votes + rows["means"].rank().fillna(by_votes)
    return rows.loc[places.sort_values(kind="stable").index].reset_index(drop=True)


def _cells(counts: sparse.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return cells of a sparse array as an array (n,)."""
    if not len(rows):
        return np.zeros(0, counts.dtype)
    cells = counts[rows, columns]
    return cells.toarray().ravel() if sparse.issparse(cells) else np.asarray(cells).ravel()


def two_parts(features: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, float]:
    """Return which embeddings (n, D) are in the smaller of two parts by direction, (n,) bool, and how far these lie
    apart: the share of the variance of directions that is between them, in [0, 1].

    >>> part, apart = two_parts(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
    >>> part.tolist(), round(apart, 2)
    ([False, False, True], 1.0)
    """
    from sklearn.cluster import KMeans  # which a server loads only where it is used

    if len(features) < 2:
        return np.zeros(len(features), bool), 0.0
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.where(lengths > 0, lengths, 1)
    total = ((directions - directions.mean(axis=0)) ** 2).sum()
    if not total:
        return np.zeros(len(features), bool), 0.0
    fit = KMeans(2, n_init=4, random_state=seed).fit(directions)
    smaller = np.bincount(fit.labels_, minlength=2).argmin()
    return fit.labels_ == smaller, float(1 - fit.inertia_ / total)
