"""Folds for cross-validation: even in size and in classes, with copies of a sample always in one fold."""

from hashlib import blake2b

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError


def stratified_folds(labels: np.ndarray, groups: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """The fold, 0 to `folds` - 1, of each sample: labels (N,), groups (N,) -> (N,).

    Samples of one group share a fold, and count with the label of their first. Each class is spread over the folds to
    within one group. Raises CurateError for a single group, fewer than 2 folds, or more than there are groups.

    >>> stratified_folds(np.array([0, 0, 1, 1]), np.arange(4), folds=2, seed=0).reshape(2, 2).sum(axis=1)
    array([1, 1])
    """
    codes, unique = pd.factorize(groups)
    if len(unique) == 1:
        raise CurateError(
            "All images with a label are copies of one or of one group, so none can be judged by others. Add others."
        )
    if not 2 <= folds <= max(2, len(unique)):
        raise CurateError(f"The number of folds must lie between 2 and {max(2, len(unique))}; it was {folds}")
    of_group = np.empty(len(unique), np.int64)
    of_group[_by_class(labels, codes, seed)] = np.arange(len(unique)) % folds
    return of_group[codes]


def stratified_draw(labels: np.ndarray, groups: np.ndarray, *, share: float, seed: int) -> np.ndarray:
    """Which samples are drawn: labels (N,), groups (N,) -> (N,) bool.

    Groups are drawn whole, and count with the label of their first sample: `share` of those of each class, to within
    one group.

    >>> stratified_draw(np.repeat([0, 1], 5), np.arange(10), share=0.2, seed=0).reshape(2, 5).sum(axis=1)
    array([1, 1])
    """
    codes, unique = pd.factorize(groups)
    drawn = np.empty(len(unique), bool)
    drawn[_by_class(labels, codes, seed)] = np.diff(np.floor(np.arange(len(unique) + 1) * share + 0.5)) > 0
    return drawn[codes]


def _by_class(labels: np.ndarray, codes: np.ndarray, seed: int) -> np.ndarray:
    """Return the groups `codes` (N,), class after class, in a random order within each."""
    first = np.full(codes.max(initial=-1) + 1, -1)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return np.lexsort((np.random.default_rng(seed).permutation(len(first)), labels[first]))


def joined_groups(*groupings: np.ndarray) -> np.ndarray:
    """Groups (N,) of samples that one of the groupings joins, also by way of others; NaN and None join nothing.

    >>> joined_groups(np.array([1, 1, 2, 3]), np.array(["a", "b", "b", None], object)).tolist()
    [0, 0, 0, 1]
    """
    # Half a second to import, for those who have groups.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(groupings[0])
    links = []
    for grouping in groupings:
        codes, unique = pd.factorize(grouping)
        first = np.full(len(unique), -1)
        rows = np.flatnonzero(codes >= 0)
        first[codes[rows[::-1]]] = rows[::-1]
        links.append(np.stack([rows, first[codes[rows]]]))
    pairs = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def identical_rows(features: np.ndarray, rows: np.ndarray, *, block: int = 1024) -> np.ndarray:
    """The same number for rows of features (N, D) that are equal to the last bit: (n,) of `rows`.

    >>> identical_rows(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]), np.arange(3))
    array([0, 1, 0])
    """
    digests: list[bytes] = []
    for start in range(0, len(rows), block):
        part = np.ascontiguousarray(features[rows[start : start + block]])
        digests += [blake2b(row.tobytes(), digest_size=16).digest() for row in part]
    return pd.factorize(np.array(digests, object))[0]
