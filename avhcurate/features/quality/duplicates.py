"""Find near duplicates: pairs by equal bytes, perceptual hash and embedding, joined into groups, and which to keep.

Hashes: the 64 bits are cut into one band more than bits may differ, so that every pair of near hashes shares a whole
band; only images that share one are compared, which is exact and far from quadratic. Mirrored and turned copies are
found by hashes of each image in six attitudes more, which cost a search each, with half the bits and so fewer bands.

Embeddings: pairs of neighbours in the run's graph (`avhcurate.neighbours`) whose angle is that of copies.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

#: Neighbours of each row: a pair is found when either row has the other among them.
NEIGHBOURS = 10
#: Hashes that differ in at most so many of their 64 bits are of near duplicates.
BITS = 4
#: Embeddings of near duplicates have at least this cosine, for any distribution.
LEAST_SIMILARITY = 0.9
#: Expected number of pairs in the whole dataset that are within the cut but not copies.
FALSE_PAIRS = 0.5

#: Pairs of hashes compared at a time.
_COMPARED = 1 << 22
#: Quantile of the angles to the last neighbour: how close images that are not copies lie together. Low, so that tight
#: classes count, and not the lowest, so that a few sets of very many copies do not.
_TIGHT = 0.1
#: Angle (rad) below which two embeddings are the same to float32.
_SAME_ANGLE = 1e-3


def near_pairs(neighbours: np.ndarray, cosines: np.ndarray, least: float) -> np.ndarray:
    """Return rows (n, 2), smaller first, of neighbours (N, k) whose cosines (N, k) are at least this."""
    rows, columns = np.nonzero(cosines >= least)  # NaN is not
    return _in_order(np.stack([rows, neighbours[rows, columns]], axis=1))


def equal_pairs(keys: pd.Series) -> np.ndarray:
    """Return rows (n, 2) that have the same key: each with the first that has it; missing keys equal no other.

    >>> equal_pairs(pd.Series(["a", "b", "a", None, None, "a"])).tolist()
    [[0, 2], [0, 5]]
    """
    codes = pd.factorize(keys)[0]
    rows = np.flatnonzero(codes >= 0)
    first = np.unique(codes[rows], return_index=True)[1]
    pairs = np.stack([rows[first][codes[rows]], rows], axis=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]


def hash_pairs(hashes: np.ndarray, *, bits: int = BITS) -> np.ndarray:
    """Return rows (n, 2) whose 64-bit hashes, uint64 (N,), differ in at most `bits` bits; equal ones with the first.

    >>> hash_pairs(np.array([0b1111, 0b0111, 0, 0b1111], np.uint64), bits=1).tolist()
    [[0, 1], [0, 3]]
    """
    pairs = [equal_pairs(pd.Series(hashes)), turned_pairs(hashes, hashes[:, None], bits=bits)]
    return _in_order(np.concatenate(pairs))


def turned_pairs(hashes: np.ndarray, turned: np.ndarray, *, bits: int = BITS // 2) -> np.ndarray:
    """Return rows (n, 2) of which one's hash, uint64 (N,), is near one of the other's when `turned`, uint64 (N, M).

    Of rows of one hash only the first is compared, for `hash_pairs` joins them. Half the bits suffice: a turn changes
    nothing, encoding it again little.

    >>> turned_pairs(np.array([1, 7, 7, 12], np.uint64), np.array([[8], [9], [9], [7]], np.uint64), bits=0).tolist()
    [[1, 3]]
    """
    values, first = np.unique(hashes, return_index=True)
    pairs = [np.empty((0, 2), np.int64)]
    for attitude in turned.T:
        others, first_other = np.unique(attitude, return_index=True)
        for places, other_places in _banded(values, others, bits):
            pairs.append(np.stack([first[places], first_other[other_places]], axis=1))
    return _in_order(np.concatenate(pairs))


def similarity_cut(cosines: np.ndarray) -> float:
    """Return the cosine from which on neighbours count as copies, from each row's k largest, (N, k) best first.

    A well-trained network maps all images of a class to nearby embeddings, so no fixed cosine works; and the nearest
    neighbour may be a copy, of half the dataset or of all, so it says nothing of other images. The middle and
    the last of the k neighbours do: the number of neighbours within an angle grows as its power d, the dimension of
    the data there (Levina & Bickel 2004), which gives the angle within which `FALSE_PAIRS` pairs of images are expected
    that are not copies. It holds while images have fewer than k / 2 copies. Never below `LEAST_SIMILARITY`.
    """
    counts = np.isfinite(cosines).sum(axis=1)
    k = int(counts.max(initial=0))
    if k < 2:
        return LEAST_SIMILARITY
    angles = np.arccos(np.clip(cosines[counts == k, :k].astype(np.float64), -1, 1))
    middle = angles[:, k // 2 - 1]
    last = angles[:, -1]
    distinct = middle > _SAME_ANGLE
    if not distinct.any():  # every image has more copies than neighbours are known
        return float(np.cos(_SAME_ANGLE))
    # Of neighbours spread evenly in d dimensions, ln(last / middle) is on average the sum of these, over d.
    per_dimension = np.log(last[distinct] / middle[distinct]).mean() / np.sum(1 / np.arange(k // 2, k))
    angle = np.quantile(last[distinct], _TIGHT) * (2 * FALSE_PAIRS / (k * len(angles))) ** per_dimension
    return float(max(LEAST_SIMILARITY, np.cos(max(angle, _SAME_ANGLE))))


def groups(rows: int, pairs: np.ndarray) -> np.ndarray:
    """Return the group of each of `rows` rows that pairs (n, 2) join, numbered from 1 by first row; 0 for others.

    >>> groups(6, np.array([[4, 5], [1, 3], [3, 0]])).tolist()
    [1, 1, 0, 1, 2, 2]
    """
    if not len(pairs):
        return np.zeros(rows, np.int64)
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(rows, rows))
    component = connected_components(graph, directed=False)[1]
    joined = np.bincount(component)[component] > 1
    group = np.zeros(rows, np.int64)
    group[joined] = pd.factorize(component[joined])[0] + 1
    return group


def keepers(members: pd.DataFrame) -> pd.Series:
    """Return which member of each group to keep: one True a group of `group, id, split, excluded, pixels, sharpness`.

    One that is not excluded first, so that one is left. Then a copy outside the training split: a test set must stay
    comparable, and a leak is removed from the training data. Then the largest, the sharpest, the lowest id.

    >>> keepers(pd.DataFrame({"group": [1, 1, 1], "id": [0, 1, 2], "split": ["train", "test", "test"],
    ...                       "excluded": False, "pixels": [9, 4, 4], "sharpness": [1.0, 2.0, 3.0]})).tolist()
    [False, False, True]
    """
    order = members.assign(_held_out=held_out(members["split"])).sort_values(
        ["group", "excluded", "_held_out", "pixels", "sharpness", "id"],
        ascending=[True, True, False, False, False, True],
    )
    return ~order["group"].duplicated().reindex(members.index)


def held_out(splits: pd.Series) -> pd.Series:
    """Return whether a split is another than the training one; False for samples without a split."""
    return splits.notna() & ~splits.fillna("").str.lower().str.startswith("train")


def _in_order(pairs: np.ndarray) -> np.ndarray:
    """Return the pairs with the smaller row first, sorted, each once; none of a row with itself."""
    ordered = np.unique(np.sort(pairs.reshape(-1, 2), axis=1), axis=0).astype(np.int64)
    return ordered[ordered[:, 0] != ordered[:, 1]]


def _banded(values: np.ndarray, others: np.ndarray, bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions (n,) in each of two arrays of hashes that differ in at most `bits` bits, found by bands."""
    for low, high in pairwise(np.linspace(0, 64, bits + 2).astype(int)):
        mask = np.uint64((1 << int(high - low)) - 1 << int(low))
        order = np.argsort(others & mask, kind="stable")
        band = (others & mask)[order]
        starts = np.searchsorted(band, values & mask)
        sizes = np.searchsorted(band, values & mask, side="right") - starts
        cuts = np.searchsorted(np.cumsum(sizes), np.arange(_COMPARED, sizes.sum(), _COMPARED))
        for rows in np.split(np.arange(len(values)), cuts):
            places = np.repeat(rows, sizes[rows])
            within = np.arange(len(places)) - np.repeat(np.cumsum(sizes[rows]) - sizes[rows], sizes[rows])
            other_places = order[np.repeat(starts[rows], sizes[rows]) + within]
            close = np.bitwise_count(values[places] ^ others[other_places]) <= bits
            yield places[close], other_places[close]
