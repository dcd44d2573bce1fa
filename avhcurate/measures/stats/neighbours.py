"""Nearest neighbours by angle of some embeddings among all, read in blocks from a memory-mapped file."""

from dataclasses import dataclass

import array_api_compat.numpy as xp
import numpy as np

from avhcurate.errors import CurateError
from avhcurate.measures.scores import angular

#: Bytes of features read at a time.
_BLOCK = 1 << 25
#: Candidates by a float32 cosine that are kept beyond the number asked for, and measured again.
_SPARE = 8
#: Columns of a group that are compared at once.
_GROUP = 32
#: Below this angle (rad) a float32 cosine says little.
_CLOSE = 0.05


@dataclass(frozen=True)
class Neighbours:
    """Row numbers and angles (rad, [0, pi], nearest first; equal angles by row) of the nearest embeddings."""

    ids: np.ndarray
    angles: np.ndarray


def nearest(features: np.ndarray, row: int, *, count: int = 12) -> Neighbours:
    """Return the `count` rows of features (N, D) at the smallest angle to one row, without itself.

    Rows that are zero or not finite have no direction and are left out. Angles are accurate to 1e-7 rad, also next to
    0, where exact copies lie. Raises CurateError for a row out of range or without direction.

    >>> nearest(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [0.0, 0.0]]), 0, count=2).ids
    array([2, 1])
    """
    if not 0 <= row < len(features):
        raise CurateError(f"Unknown image {row}. The run has features of images 0 to {len(features) - 1}.")
    if not (np.isfinite(features[row]).all() and np.any(features[row])):
        raise CurateError(f"The embedding of image {row} is zero or not finite, so it has no neighbours.")
    ids, angles = nearest_of(features, np.array([row]), count=count)
    found = ids[0] >= 0
    return Neighbours(ids[0][found], angles[0][found])


def nearest_of(
    features: np.ndarray, rows: np.ndarray, *, count: int, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of many rows what `nearest` finds: ids (n, count), -1 for none, and angles, NaN there.

    `among` (ascending) names the rows to search; the default is all. The cosines are one matrix product a block.
    Memory is bounded by blocks of `rows` times candidates: a caller with many rows passes them in parts.

    >>> nearest_of(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), np.array([0, 2]), count=1)[0].tolist()
    [[2], [0]]
    """
    pool = np.arange(len(features))
    if among is not None:
        pool = np.asarray(among)
    u = unit(np.asarray(features[rows], np.float64)).astype(np.float32)
    depth = count + _SPARE
    cosines = np.empty((len(rows), 0), np.float32)
    candidates = np.empty((len(rows), 0), np.int64)
    step = max(1, min(_rows_in(features), _BLOCK // (4 * max(1, len(rows)))))
    for start in range(0, len(pool), step):
        ids = pool[start : start + step]
        cosine = _cosines(_read(features, ids), u)
        positions = np.minimum(np.searchsorted(ids, rows), len(ids) - 1)
        itself = np.flatnonzero(ids[positions] == rows)
        cosine[itself, positions[itself]] = -np.inf
        best = _largest(cosine, depth)
        cosines = np.concatenate([cosines, np.take_along_axis(cosine, best, 1)], axis=1)
        candidates = np.concatenate([candidates, ids[best]], axis=1)
        best = _largest(cosines, depth)
        cosines = np.take_along_axis(cosines, best, 1)
        candidates = np.take_along_axis(candidates, best, 1)
    candidates[np.isneginf(cosines)] = -1
    short = max(0, count - candidates.shape[1])
    candidates = np.pad(candidates, ((0, 0), (0, short)), constant_values=-1)
    return angles_sorted(features, rows, candidates, count=count, precision=np.float64)


def angles_sorted(
    features: np.ndarray, rows: np.ndarray, near: np.ndarray, *, count: int, precision: type = np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `count` nearest of candidates near (n, m) of `rows`, -1 for none, and their angles, as `nearest_of`.

    Angles are accurate to 2e-6 rad, to 1e-7 rad in float64; a row is not its own neighbour.

    >>> angles_sorted(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), np.array([0]), np.array([[0, 1, 2]]), count=1)[0]
    array([[2]])
    """
    near = np.where(near == rows[:, None], -1, near)
    angles = np.full(near.shape, np.nan)
    step = max(1, _BLOCK // (near.shape[1] * features.shape[1] * 4))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        u = unit(np.asarray(features[rows[part]], precision))[:, None]
        v = unit(np.asarray(features[near[part].ravel()], precision)).reshape(len(u), near.shape[1], -1)
        angles[part] = angular.chord_angle(xp, u, v)
    angles[near < 0] = np.nan
    order = np.lexsort((near, angles), axis=1)[:, :count]
    angles = np.take_along_axis(angles, order, 1)
    return np.where(np.isnan(angles), -1, np.take_along_axis(near, order, 1)), angles


def angles_to(features: np.ndarray, rows: np.ndarray, *, among: np.ndarray) -> np.ndarray:
    """Return the angle (rad) of each row of `among` (n,) to the nearest of `rows` (k,), (n,); NaN without direction.

    Accurate to 1e-3 rad, and to 1e-7 rad where it is below 0.05. Raises CurateError where none of `rows` has a
    direction.

    >>> angles_to(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), np.array([0]), among=np.array([1, 2])).round(3)
    array([1.571, 0.785])
    """
    u = unit(np.asarray(features[rows], np.float64))
    u = u[~np.isnan(u).any(axis=1)]
    if not len(u):
        raise CurateError("The embeddings of the chosen images are zero or not finite. Choose others.")
    return angles_with(features, u, among=among)


def angles_with(features: np.ndarray, u: np.ndarray, *, among: np.ndarray) -> np.ndarray:
    """Return the same to the nearest of unit vectors u (k, D)."""
    angles = np.empty(len(among))
    step = _rows_in(features)
    for start in range(0, len(among), step):
        block = np.asarray(features[among[start : start + step]])
        cosines = (unit(block.astype(np.float32)) @ u.T.astype(np.float32)).max(axis=1)
        part = np.arccos(np.clip(cosines.astype(np.float64), -1, 1))
        close = np.flatnonzero(part < _CLOSE)
        if len(close):
            exact = unit(block[close].astype(np.float64))[:, None]
            part[close] = angular.chord_angle(xp, exact, u).min(axis=1)
        angles[start : start + step] = part
    return angles


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length 1; NaN without direction."""
    return np.asarray(angular.unit(xp, rows))


def _rows_in(features: np.ndarray) -> int:
    """Return how many rows make a block."""
    return max(1, _BLOCK // (features.shape[1] * features.itemsize))


def _read(features: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return rows of a file; a slice is read faster than rows one by one."""
    if ids[-1] - ids[0] == len(ids) - 1:
        return np.asarray(features[ids[0] : ids[-1] + 1], np.float32)
    return np.asarray(features[ids], np.float32)


def _cosines(block: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the cosines (n, rows) of unit rows u (n, D) with those of a block; minus infinity without direction."""
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
        v = block / lengths[:, None]
    unsafe = ~np.isfinite(lengths) | (lengths == 0)  # huge and tiny numbers too: their squares are not numbers
    v[unsafe] = unit(block[unsafe])
    cosine = u @ v.T
    cosine[np.isnan(u[:, 0])] = -np.inf
    cosine[:, np.isnan(v[:, 0])] = -np.inf
    return cosine


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places (n, count) of the largest values of each row, in no order; of all where there are fewer.

    Every so many columns apart make a group, and only the groups with the largest maxima hold any: so a row is compared
    once, which is many times faster than to partition it.
    """
    n, width = values.shape
    groups = width // _GROUP
    if groups > count:
        maxima = values[:, :groups].copy()
        for first in range(groups, groups * _GROUP, groups):
            np.maximum(maxima, values[:, first : first + groups], out=maxima)
        best = np.argpartition(maxima, -count, axis=1)[:, -count:]
        inside = (best[:, :, None] + groups * np.arange(_GROUP)).reshape(n, -1)
        beyond = np.broadcast_to(np.arange(groups * _GROUP, width), (n, width - groups * _GROUP))
        places = np.concatenate([inside, beyond], axis=1)
    else:
        places = np.broadcast_to(np.arange(width), (n, width))
    if places.shape[1] <= count:
        return places
    return np.take_along_axis(places, np.argpartition(np.take_along_axis(values, places, 1), -count)[:, -count:], 1)
