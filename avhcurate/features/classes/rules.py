"""Pairs of classes that are close and mixed up, and the two parts that the embeddings of a class fall into."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.measures.scores import angles


def angles_between(vectors: np.ndarray) -> np.ndarray:
    """Return the angles between class weights or means (K, D) in degrees, (K, K); NaN for a class without any.

    >>> angles_between(np.array([[1.0, 0.0], [0.0, 2.0], [np.nan, np.nan]])).round().tolist()[0]
    [0.0, 90.0, nan]
    """
    between = np.full((len(vectors), len(vectors)), np.nan)
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    if len(known):
        there = vectors[known].astype(np.float64)
        between[np.ix_(known, known)] = np.degrees(angles(there, there))
    return between


def pairs_of(classes: Sequence[str], chosen: np.ndarray, means: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    """Return every pair of classes, what looks most like one class first.

    chosen (K, K): how often images of a class (row) were taken for each class; `crossings` is the share of the choices
    among the two, on images of the two, that are for the other class, and `votes` their number. means and weights
    (K, K): angles between the mean embeddings and between the class weights, in degrees. The order is by the sum of
    the ranks of the crossings and of the angle of the means; without that, the first counts twice. Class weights do not
    order: those of two halves of one class are far apart, since a head sets apart what it was told to.

    >>> angle = np.array([[0, 38, 80], [38, 0, 70], [80, 70, 0]])
    >>> chosen = np.array([[6, 4, 0], [2, 8, 0], [0, 0, 9]])
    >>> pairs_of(["cat", "lynx", "dog"], chosen, angle, angle).to_numpy().tolist()[0]
    ['cat', 'lynx', 0.3, 38.0, 38.0, 20]
    """
    first, second = np.triu_indices(len(classes), 1)
    crossed = chosen[first, second] + chosen[second, first]
    votes = crossed + chosen[first, first] + chosen[second, second]
    names = np.array(classes, object)
    rows = pd.DataFrame(
        {
            "first": names[first],
            "second": names[second],
            "crossings": crossed / np.where(votes > 0, votes, np.nan),
            "means": means[first, second].astype(float),
            "weights": weights[first, second].astype(float),
            "votes": votes,
        }
    )
    by_votes = rows["crossings"].rank(ascending=False, na_option="bottom")
    places = by_votes + rows["means"].rank().fillna(by_votes)
    return rows.loc[places.sort_values(kind="stable").index].reset_index(drop=True)


def two_parts(features: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, float]:
    """Return which embeddings (n, D) are in the smaller of two parts by direction, (n,) bool, and how far these lie
    apart: the share of the variance of directions that is between them, in [0, 1].

    >>> part, apart = two_parts(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
    >>> part.tolist(), round(apart, 2)
    ([False, False, True], 1.0)
    """
    from sklearn.cluster import KMeans  # which a server loads only where it is used

    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.where(lengths > 0, lengths, 1)
    total = ((directions - directions.mean(axis=0)) ** 2).sum()
    if not total:
        return np.zeros(len(features), bool), 0.0
    fit = KMeans(2, n_init=4, random_state=seed).fit(directions)
    smaller = np.bincount(fit.labels_, minlength=2).argmin()
    return fit.labels_ == smaller, float(1 - fit.inertia_ / total)
