"""The neighbours that UMAP lays out: those of a run's graph, with the class weights among the samples."""

from collections.abc import Iterable

import numpy as np

Nearest = tuple[np.ndarray, np.ndarray]


def with_class_weights(
    near: np.ndarray, angles: np.ndarray, blocks: Iterable[np.ndarray], weights: np.ndarray, *, count: int
) -> Nearest:
    """Rows (n + k, count), each itself first, and their cosine distances, as `umap.UMAP(precomputed_knn=...)` has them.

    near, angles (n, m): places 0 to n - 1 of each sample's nearest, -1 for none, and their angles (rad). `blocks` give
    the samples (n, D) and `weights` (k, D) the class weights, of length 1; they get the places n to n + k - 1. A place
    without a neighbour has -1 at an infinite distance.

    >>> samples = np.array([[1.0, 0.0], [0.8, 0.6]])
    >>> near, angles = np.array([[1], [0]]), np.arccos([[0.8], [0.8]])
    >>> with_class_weights(near, angles, [samples], np.array([[0.96, 0.28]]), count=2)[0].tolist()
    [[0, 2], [1, 2], [2, 0]]
    """
    n, k = len(near), len(weights)
    places, most = n + np.arange(k), count - 1
    found = np.full((n + k, most), -1, np.int32), np.full((n + k, most), np.inf, np.float32)
    between = _angles(weights, weights)
    np.fill_diagonal(between, np.inf)
    of_weights = _merged((np.empty((k, 0), np.int32), np.empty((k, 0))), (places, between), most)
    start = 0
    for rows in blocks:
        block, to_weights = slice(start, start + len(rows)), _angles(rows, weights)
        start += len(rows)
        found[0][block], found[1][block] = _merged((near[block], angles[block]), (places, to_weights), most)
        of_weights = _merged(of_weights, (np.arange(block.start, block.stop), to_weights.T), most)
    found[0][n:], found[1][n:] = of_weights
    itself = np.arange(n + k, dtype=np.int32)[:, None]
    distances = np.where(found[0] >= 0, 1 - np.cos(np.where(found[0] >= 0, found[1], 0)), np.inf)
    near, distances = np.hstack([itself, found[0]]), np.hstack([np.zeros((n + k, 1)), distances])
    return near, distances.astype(np.float32)


def _angles(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(rows.astype(np.float32) @ weights.T.astype(np.float32), -1, 1))


def _merged(one: Nearest, other: Nearest, count: int) -> Nearest:
    """The `count` nearest of both, -1 and infinite where there are fewer; the ids of `other` are those of every row."""
    angles = np.concatenate([one[1], other[1]], axis=1).astype(np.float32)
    ids = np.concatenate([one[0], np.broadcast_to(other[0], other[1].shape)], axis=1).astype(np.int32)
    short = max(0, count - angles.shape[1])
    angles = np.pad(np.nan_to_num(angles, nan=np.inf), ((0, 0), (0, short)), constant_values=np.inf)
    ids = np.pad(ids, ((0, 0), (0, short)), constant_values=-1)
    best = np.argpartition(angles, count - 1, axis=1)[:, :count]
    best = np.take_along_axis(best, np.argsort(np.take_along_axis(angles, best, 1), axis=1), 1)
    angles, ids = np.take_along_axis(angles, best, 1), np.take_along_axis(ids, best, 1)
    return np.where(np.isfinite(angles), ids, -1), angles
