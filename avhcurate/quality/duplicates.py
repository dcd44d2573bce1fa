"""Near duplicates: pairs by equal bytes, perceptual hash and embedding, joined into groups, and which to keep.

Hashes: the 64 bits are cut into one band more than bits may differ, so that every pair of near hashes shares a whole
band; only images that share one are compared, which is exact and far from quadratic. Mirrored and turned copies are
found by hashes of each image in six attitudes more, which cost a search each, with half the bits and so fewer bands.

Embeddings: the nearest neighbours of every row by cosine, exact, in blocks of a matrix product: N^2 D multiplications,
1e11 for 10,000 images of 1,000 numbers, 1e15 for a million, which takes hours. So above `EXACT_ROWS` each row is
compared only with the rows of two cells: random rows are the centres of sqrt(N) cells, every row belongs to the cell of
its nearest centre and is compared with that and the second nearest. Copies nearly always share a cell; some neighbours
further away are missed. A million rows then cost 3 N^1.5 D multiplications, three hundred times fewer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from avhcurate.errors import CurateError
from avhcurate.stats.neighbours import unit

#: Above this many rows, only rows of the same cells are compared.
EXACT_ROWS = 100_000
#: Neighbours of each row: a pair is found when either row has the other among them.
NEIGHBOURS = 10
#: Hashes that differ in at most so many of their 64 bits are of near duplicates.
BITS = 4
#: Embeddings of near duplicates have at least this cosine, whatever the distribution.
LEAST_SIMILARITY = 0.9
#: Pairs of images that are no copies and yet lie within the cut, as many as are expected in the whole dataset.
FALSE_PAIRS = 0.5

#: Rows of a block: a product of two holds 128 MiB.
_ROWS, _COLUMNS = 4096, 8192
#: Pairs of hashes compared at a time.
_COMPARED = 1 << 22
#: Quantile of the angles to the last neighbour that says how close together images lie that are no copies: low, so that
#: tight classes count, and not the lowest, so that a few sets of very many copies do not.
_TIGHT = 0.1
#: Angle (rad) below which two embeddings are the same to float32.
_SAME_ANGLE = 1e-3


@dataclass(frozen=True)
class Nearest:
    """The most similar rows of each, best first: `ids`, `cosines` (N, k); -1 and NaN where there are fewer."""

    ids: np.ndarray
    cosines: np.ndarray

    def pairs(self, cosine: float) -> np.ndarray:
        """Rows (n, 2), smaller first, whose cosine is at least this."""
        rows, places = np.nonzero(self.cosines >= cosine)  # NaN is not
        return _in_order(np.stack([rows, self.ids[rows, places]], axis=1))


def equal_pairs(keys: pd.Series) -> np.ndarray:
    """Rows (n, 2) that have the same key: each with the first that has it; missing keys are equal to none.

    >>> equal_pairs(pd.Series(["a", "b", "a", None, None, "a"])).tolist()
    [[0, 2], [0, 5]]
    """
    rows = np.flatnonzero(keys.notna())
    present = keys.iloc[rows]
    first = pd.Series(rows, present.index).groupby(present.to_numpy()).transform("first").to_numpy(np.int64)
    return np.stack([first, rows], axis=1)[first != rows]


def hash_pairs(hashes: np.ndarray, *, bits: int = BITS) -> np.ndarray:
    """Rows (n, 2) whose 64-bit hashes, uint64 (N,), differ in at most `bits` bits; of rows of one hash, with the first.

    >>> hash_pairs(np.array([0b1111, 0b0111, 0, 0b1111], np.uint64), bits=1).tolist()
    [[0, 1], [0, 3]]
    """
    values, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    same = np.stack([first[inverse], np.arange(len(hashes))], axis=1)
    near = [first[pairs] for pairs in _banded(values, values, bits)]
    return _in_order(np.concatenate([same, *near]))


def turned_pairs(hashes: np.ndarray, turned: np.ndarray, *, bits: int = BITS // 2) -> np.ndarray:
    """Rows (n, 2) of which one's hash, uint64 (N,), is near one of those of the other when `turned`, uint64 (N, M).

    Of rows of one hash only the first is compared, for `hash_pairs` joins them. Half the bits of `hash_pairs` do: a
    turn changes nothing, encoding it again little.

    >>> turned_pairs(np.array([1, 7, 7, 12], np.uint64), np.array([[8], [9], [9], [7]], np.uint64), bits=0).tolist()
    [[1, 3]]
    """
    values, first = np.unique(hashes, return_index=True)
    pairs = [np.empty((0, 2), np.int64)]
    for attitude in turned.T:
        others, first_other = np.unique(attitude, return_index=True)
        found = _banded(values, others, bits)
        pairs += [np.stack([first[near[:, 0]], first_other[near[:, 1]]], axis=1) for near in found]
    return _in_order(np.concatenate(pairs))


def nearest_rows(
    features: np.ndarray,
    *,
    count: int = NEIGHBOURS,
    exact_rows: int = EXACT_ROWS,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Nearest:
    """The `count` rows of features (N, D) of the largest cosine to each row, in bounded memory; may be memory-mapped.

    Rows that are zero or not finite are left out. Exact up to `exact_rows`, above by cells (see the module), whose
    centres follow from `seed`. Cosines are accurate to 1e-6. `on_progress` gets the share done.
    """
    rows = len(features)
    ids, cosines = np.full((rows, count), -1, np.int64), np.full((rows, count), -np.inf, np.float32)
    usable = _directed(features)
    tasks = _all_blocks(usable) if len(usable) <= exact_rows else _cells(features, usable, seed)
    for queries, candidates, share in tasks:
        _merge(ids, cosines, queries, candidates, _directions(features, queries) @ _directions(features, candidates).T)
        if on_progress:
            on_progress(share)
    cosines[ids < 0] = np.nan
    return Nearest(ids, np.clip(cosines, -1, 1))


def similarity_cut(cosines: np.ndarray) -> float:
    """The cosine from which on neighbours count as copies, from each row's k largest, (N, k) best first.

    A well-trained network maps all images of a class to nearby embeddings, so no fixed cosine works; and the nearest
    neighbour may be a copy, of half the dataset or of all, so it says nothing of images that are none. The middle and
    the last of the k neighbours do: the number of neighbours within an angle grows as its power d, the dimension of
    the data there (Levina & Bickel 2004), which gives the angle within which `FALSE_PAIRS` pairs of images are expected
    that are no copies. It holds while images have fewer than k / 2 copies. Never below `LEAST_SIMILARITY`.
    """
    known = np.isfinite(cosines).sum(axis=1)
    k = int(known.max(initial=0))
    if k < 2:
        return LEAST_SIMILARITY
    angles = np.arccos(np.clip(cosines[known == k, :k].astype(np.float64), -1, 1))
    middle, last = angles[:, k // 2 - 1], angles[:, -1]
    apart = middle > _SAME_ANGLE
    if not apart.any():  # every image has more copies than neighbours are looked at
        return float(np.cos(_SAME_ANGLE))
    # Of neighbours spread evenly in d dimensions, ln(last / middle) is on average the sum of these, over d.
    per_dimension = np.log(last[apart] / middle[apart]).mean() / np.sum(1 / np.arange(k // 2, k))
    angle = np.quantile(last[apart], _TIGHT) * (2 * FALSE_PAIRS / (k * len(angles))) ** per_dimension
    return float(max(LEAST_SIMILARITY, np.cos(max(angle, _SAME_ANGLE))))


def groups(rows: int, pairs: np.ndarray) -> np.ndarray:
    """Group of each of `rows` rows that pairs (n, 2) join, numbered from 1 by their first row; 0 for one in no pair.

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
    """Which member of each group to keep: one True a group of `group, id, split, excluded, pixels, sharpness`.

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
    """Whether a split is another than the training one; False for samples without a split."""
    return splits.notna() & ~splits.fillna("").str.lower().str.startswith("train")


def _in_order(pairs: np.ndarray) -> np.ndarray:
    """The pairs with the smaller row first, sorted, each once; none of a row with itself."""
    ordered = np.unique(np.sort(pairs.reshape(-1, 2), axis=1), axis=0).astype(np.int64)
    return ordered[ordered[:, 0] != ordered[:, 1]]


def _banded(values: np.ndarray, others: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Places (n, 2) in two arrays of hashes that differ in at most `bits` bits, found in the bands that they share."""
    if not 0 <= bits < 32:
        raise CurateError(f"hashes of near duplicates differ in 0 to 31 bits, not {bits}")
    for low, high in pairwise(np.linspace(0, 64, bits + 2).astype(int)):
        mask = np.uint64((1 << int(high - low)) - 1 << int(low))
        order = np.argsort(others & mask, kind="stable")
        band = (others & mask)[order]
        starts = np.searchsorted(band, values & mask)
        sizes = np.searchsorted(band, values & mask, side="right") - starts
        ends = np.cumsum(sizes)
        cuts = np.searchsorted(ends, np.arange(_COMPARED, ends[-1] if len(ends) else 0, _COMPARED))
        for rows in np.split(np.arange(len(values)), cuts):
            one = np.repeat(rows, sizes[rows])
            within = np.arange(len(one)) - np.repeat(np.cumsum(sizes[rows]) - sizes[rows], sizes[rows])
            other = order[np.repeat(starts[rows], sizes[rows]) + within]
            near = np.bitwise_count(values[one] ^ others[other]) <= bits
            yield np.stack([one[near], other[near]], axis=1)


def _directed(features: np.ndarray) -> np.ndarray:
    """Rows that have a direction, ascending."""
    rows = [
        start + np.flatnonzero(np.isfinite(part).all(axis=1) & np.any(part, axis=1))
        for start in range(0, len(features), _COLUMNS)
        for part in [np.asarray(features[start : start + _COLUMNS])]
    ]
    return np.concatenate([np.empty(0, np.int64), *rows])


def _directions(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return unit(np.asarray(features[rows], np.float32))


_Task = tuple[np.ndarray, np.ndarray, float]


def _blocks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _all_blocks(rows: np.ndarray) -> Iterator[_Task]:
    """Every row with every row: rows, candidates, and the share that is then done."""
    parts = _blocks(rows, _ROWS)
    for place, queries in enumerate(parts):
        for candidates in _blocks(rows, _COLUMNS):
            yield queries, candidates, (place + 1) / len(parts)


def _cells(features: np.ndarray, rows: np.ndarray, seed: int) -> Iterator[_Task]:
    """The members of each cell as candidates of all rows that are compared with it."""
    count = max(2, round(np.sqrt(len(rows))))
    centres = _directions(features, np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))).T
    homes = np.concatenate(
        [np.argpartition(-(_directions(features, part) @ centres), 1, axis=1)[:, :2] for part in _blocks(rows, _ROWS)]
    )
    for cell in range(count):
        members = rows[homes[:, 0] == cell]
        for queries in _blocks(rows[(homes == cell).any(axis=1)], _ROWS):
            for candidates in _blocks(members, _COLUMNS):
                yield queries, candidates, (cell + 1) / count


def _merge(ids: np.ndarray, cosines: np.ndarray, queries: np.ndarray, candidates: np.ndarray, new: np.ndarray) -> None:
    """Merges the best of the `new` cosines (queries, candidates) into the best so far; candidates ascend."""
    places = np.searchsorted(candidates, queries).clip(max=len(candidates) - 1)
    itself = np.flatnonzero(candidates[places] == queries)
    new[itself, places[itself]] = -np.inf
    count = ids.shape[1]
    near = np.argpartition(-new, min(count, new.shape[1] - 1), axis=1)[:, :count]
    all_ids = np.concatenate([ids[queries], candidates[near]], axis=1)
    all_cosines = np.concatenate([cosines[queries], np.take_along_axis(new, near, axis=1)], axis=1)
    all_ids[np.isneginf(all_cosines)] = -1
    best = np.lexsort((all_ids, -all_cosines), axis=1)[:, :count]
    ids[queries] = np.take_along_axis(all_ids, best, axis=1)
    cosines[queries] = np.take_along_axis(all_cosines, best, axis=1)
