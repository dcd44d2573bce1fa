"""Directions of embeddings, and the neighbours that UMAP lays out: a run's graph with the class weights in it."""

from collections.abc import Iterable

import numpy as np

Nearest = tuple[np.ndarray, np.ndarray]


def directions(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (n, D) scaled to length 1 as float32, and which of them have a direction, (n,) bool.

    A row of zeros, or one that is not finite, has none.

    >>> rows, placed = directions(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> rows[placed].tolist(), placed.tolist()
    ([[0.6000000238418579, 0.800000011920929]], [True, False])
    """
    wide = np.asarray(rows, np.float64)
    largest = np.abs(wide).max(axis=1, initial=0.0)
    placed = np.isfinite(largest) & (largest > 0)
    # Divide by the largest entry first, so that no square overflows or vanishes.
    scaled = wide / np.where(placed, largest, 1.0)[:, None]
    lengths = np.linalg.norm(scaled, axis=1)
    return (scaled / np.where(placed, lengths, 1.0)[:, None]).astype(np.float32), placed


def with_class_weights(
    nearest: np.ndarray, angles: np.ndarray, blocks: Iterable[np.ndarray], weights: np.ndarray, *, count: int
) -> Nearest:
    """Return rows (n + k, count), each itself first, and their cosine distances, for `umap.UMAP(precomputed_knn=...)`.

    nearest, angles (n, m): positions of the nearest samples of each, -1 for none, and their angles (rad). `blocks` are
    the samples (n, D) and `weights` (k, D) the class weights, of length 1; these get the positions n to n + k - 1. A
    missing neighbour is -1 at an infinite distance.

    >>> samples = np.array([[1.0, 0.0], [0.8, 0.6]])
    >>> nearest, angles = np.array([[1], [0]]), np.arccos([[0.8], [0.8]])
    >>> with_class_weights(nearest, angles, [samples], np.array([[0.96, 0.28]]), count=2)[0].tolist()
    [[0, 2], [1, 2], [2, 0]]
    """
    n = len(nearest)
    k = len(weights)
    positions = n + np.arange(k)
    between = _angles(weights, weights)
    np.fill_diagonal(between, np.inf)
    of_weights = _nearest(positions, between, count - 1)
    parts = []
    start = 0
    for rows in blocks:
        stop = start + len(rows)
        to_weights = _angles(rows, weights)
        ids = np.hstack([nearest[start:stop], np.broadcast_to(positions, to_weights.shape)])
        parts.append(_nearest(ids, np.hstack([angles[start:stop], to_weights]), count - 1))
        ids = np.hstack([of_weights[0], np.broadcast_to(np.arange(start, stop), (k, len(rows)))])
        of_weights = _nearest(ids, np.hstack([of_weights[1], to_weights.T]), count - 1)
        start = stop
    others, apart = map(np.concatenate, zip(*parts, of_weights, strict=True))
    distances = np.where(np.isfinite(apart), 1 - np.cos(apart), np.inf)
    ids = np.hstack([np.arange(n + k)[:, None], others])
    return ids.astype(np.int32), np.hstack([np.zeros((n + k, 1)), distances]).astype(np.float32)


def _angles(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(rows.astype(np.float32) @ weights.T.astype(np.float32), -1, 1))


def _nearest(ids: np.ndarray, angles: np.ndarray, count: int) -> Nearest:
    """Return the `count` nearest of each row, by their angles (n, m); -1 at an infinite angle where there are fewer."""
    ids = np.broadcast_to(ids, angles.shape)
    short = ((0, 0), (0, max(0, count - angles.shape[1])))
    angles = np.pad(np.nan_to_num(angles, nan=np.inf), short, constant_values=np.inf)
    ids = np.pad(ids, short, constant_values=-1)
    best = np.argsort(angles, axis=1, kind="stable")[:, :count]
    angles = np.take_along_axis(angles, best, 1)
    return np.where(np.isfinite(angles), np.take_along_axis(ids, best, 1), -1), angles
