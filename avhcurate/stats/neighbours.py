"""Nearest neighbours by angle of one embedding among all, read in blocks from a memory-mapped file."""

from dataclasses import dataclass

import numpy as np

from avhcurate.errors import CurateError

#: Bytes of features read at a time.
_BLOCK = 1 << 25
#: A float32 cosine is off by less than this; candidates within it of the best are measured again in float64.
_SLACK = 1e-4
#: The same for rows of length 1, as they are while many rows are searched at once.
_FINE = 3e-6
#: Candidates kept beyond the number asked for, while many rows are searched at once.
_SPARE = 8


@dataclass(frozen=True)
class Neighbours:
    """Row numbers and angles (rad, [0, pi], nearest first; equal angles by row) of the nearest embeddings."""

    ids: np.ndarray
    angles: np.ndarray


def nearest(features: np.ndarray, row: int, *, count: int = 12) -> Neighbours:
    """The `count` rows of features (N, D) at the smallest angle to one row, itself left out; fewer where N is small.

    Rows that are zero or not finite have no direction and are passed over. Angles are accurate to 1e-7 rad, also next
    to 0, where exact copies lie. Raises CurateError for a row out of range or without direction.

    >>> nearest(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [0.0, 0.0]]), 0, count=2).ids
    array([2, 1])
    """
    if not 0 <= row < len(features):
        raise CurateError(f"there is no sample {row}: the run has features of samples 0 to {len(features) - 1}")
    if count < 1:
        raise CurateError(f"the number of neighbours must be 1 or more; it was {count}")
    u = unit(np.asarray(features[row : row + 1], np.float64))[0]
    if np.isnan(u).any():
        raise CurateError(f"the embedding of sample {row} is zero or not finite and has no direction: choose another")
    ids, angles = np.empty(0, np.int64), np.empty(0)
    rows = max(1, _BLOCK // (features.shape[1] * features.itemsize))
    for start in range(0, len(features), rows):
        block = np.asarray(features[start : start + rows])
        bound = np.cos(angles[-1]) if len(ids) == count else -1.0
        near = _near(block, u, count + 1, bound)
        near = near[near + start != row]
        measured = _angles(block[near], u)
        ids, angles = _best(np.append(ids, near + start), np.append(angles, measured), count)
    return Neighbours(ids, angles)


def nearest_of(
    features: np.ndarray, rows: np.ndarray, *, count: int, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """For each of many rows what `nearest` gives: ids (n, count), -1 where there is none, and angles, NaN there.

    `among` (ascending) names the rows to search, all unless given. The cosines are one matrix product a block, so it is
    the search for all samples, or for the members of a class; memory is bounded by blocks of `rows` times candidates,
    and the caller cuts `rows` where they are many.

    >>> nearest_of(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), np.array([0, 2]), count=1)[0].tolist()
    [[2], [0]]
    """
    u = unit(np.asarray(features[rows], np.float64))
    pool = np.arange(len(features)) if among is None else np.asarray(among)
    step = max(1, min(_BLOCK // (features.shape[1] * features.itemsize), _BLOCK // (4 * max(1, len(rows)))))
    cosines, kept = _candidates(features, rows, u.astype(np.float32), pool, count + _SPARE + 1, step)
    result, angles = np.full((len(rows), count), -1), np.full((len(rows), count), np.nan)
    for place, row in enumerate(rows):
        near = kept[place][np.isfinite(cosines[place])]
        if len(near) == count + _SPARE + 1 and _crowded(cosines[place], count):  # many copies, say: measure all
            near = pool[pool != row]
        ids, measured = np.empty(0, np.int64), np.empty(0)
        for start in range(0, len(near), step):
            part = near[start : start + step]
            angle = _angles(np.asarray(features[part]), u[place])
            ids, measured = _best(np.append(ids, part), np.append(measured, angle), count)
        result[place, : len(ids)], angles[place, : len(ids)] = ids, measured
    return result, angles


def angles_sorted(
    features: np.ndarray, rows: np.ndarray, near: np.ndarray, *, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of candidates near (n, m) of each of `rows`, -1 for none, the `count` nearest and their angles, as `nearest_of`.

    Angles are accurate to 2e-6 rad; a row is no neighbour of its own.

    >>> angles_sorted(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), np.array([0]), np.array([[0, 1, 2]]), count=1)[0]
    array([[2]])
    """
    near = np.where(near == rows[:, None], -1, near)
    angles = np.full(near.shape, np.nan)
    step = max(1, _BLOCK // (near.shape[1] * features.shape[1] * 4))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        u = unit(np.asarray(features[rows[part]], np.float32))[:, None]
        v = unit(np.asarray(features[near[part].ravel()], np.float32)).reshape(len(u), near.shape[1], -1)
        angles[part] = 2 * np.arctan2(np.linalg.norm(v - u, axis=2), np.linalg.norm(v + u, axis=2))
    angles[near < 0] = np.nan
    order = np.lexsort((near, angles), axis=1)[:, :count]
    angles = np.take_along_axis(angles, order, 1)
    return np.where(np.isnan(angles), -1, np.take_along_axis(near, order, 1)), angles


def angles_to(features: np.ndarray, rows: np.ndarray, *, among: np.ndarray) -> np.ndarray:
    """The angle (rad) of each row of `among` (n,) to the nearest of `rows` (k,), (n,) float64; NaN without direction.

    Accurate to 1e-3 rad, and to 1e-7 rad where it is below 0.05. Raises CurateError where none of `rows` has a
    direction.

    >>> angles_to(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), np.array([0]), among=np.array([1, 2])).round(3)
    array([1.571, 0.785])
    """
    u = unit(np.asarray(features[rows], np.float64))
    u = u[~np.isnan(u).any(axis=1)]
    if not len(u):
        raise CurateError("the embeddings of the chosen samples are zero or not finite and have no direction")
    angles = np.empty(len(among))
    step = max(1, _BLOCK // (features.shape[1] * features.itemsize))
    for start in range(0, len(among), step):
        block = np.asarray(features[among[start : start + step]])
        cosines = (unit(block.astype(np.float32)) @ u.T.astype(np.float32)).max(axis=1)
        part = np.arccos(np.clip(cosines.astype(np.float64), -1, 1))
        close = np.flatnonzero(part < 0.05)  # where a cosine says little
        if len(close):
            part[close] = np.min([_angles(block[close], one) for one in u], axis=0)
        angles[start : start + step] = part
    return angles


def _candidates(
    features: np.ndarray, rows: np.ndarray, u: np.ndarray, pool: np.ndarray, depth: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `depth` largest float32 cosines of each row with others of `pool`, in no order, and whose they are."""
    cosines, kept = np.empty((len(rows), 0), np.float32), np.empty((len(rows), 0), np.int64)
    for start in range(0, len(pool), step):
        ids = pool[start : start + step]
        whole = ids[-1] - ids[0] == len(ids) - 1  # a slice of a file is read faster than rows one by one
        block = unit(np.asarray(features[ids[0] : ids[-1] + 1] if whole else features[ids], np.float32))
        cosine = np.nan_to_num(u @ block.T, nan=-np.inf)
        cosine[rows[:, None] == ids[None, :]] = -np.inf
        cosines = np.concatenate([cosines, cosine], axis=1)
        kept = np.concatenate([kept, np.broadcast_to(ids, cosine.shape)], axis=1)
        if cosines.shape[1] > depth:
            best = np.argpartition(cosines, -depth, axis=1)[:, -depth:]
            cosines, kept = np.take_along_axis(cosines, best, 1), np.take_along_axis(kept, best, 1)
    return cosines, kept


def _crowded(cosines: np.ndarray, count: int) -> bool:
    """Whether candidates that were dropped may be as near as the last of `count` that were kept."""
    ordered = np.sort(cosines)[::-1]
    return bool(ordered[-1] >= ordered[count - 1] - _FINE)


def _near(block: np.ndarray, u: np.ndarray, count: int, bound: float) -> np.ndarray:
    """Rows that may be among the `count` nearest and beat the cosine `bound`: all whose cosine is not surely lower."""
    block = block if block.dtype == np.float64 else block.astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        cosine = (block @ u.astype(block.dtype)) / np.sqrt(np.einsum("nd,nd->n", block, block))
    # A row of huge or tiny numbers overflows here and is NaN: measured again, like the near ones.
    known = cosine[np.isfinite(cosine)]
    if len(known) > count:
        bound = max(bound, float(np.partition(known, -count)[-count]))
    return np.flatnonzero(~(cosine < bound - _SLACK))


def _angles(rows: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Angle of each row to the unit vector u, by the chord, accurate near 0 and pi too; NaN without direction."""
    v = unit(rows.astype(np.float64))
    return 2 * np.arctan2(np.linalg.norm(v - u, axis=1), np.linalg.norm(v + u, axis=1))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, first by their largest entry so that nothing overflows; NaN for zero or not finite."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / np.where(np.isfinite(largest) & (largest > 0), largest, np.nan)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


def _best(ids: np.ndarray, angles: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((ids, angles))
    order = order[: min(count, int(np.sum(~np.isnan(angles))))]
    return ids[order], angles[order]
