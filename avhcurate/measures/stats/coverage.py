"""Facility location on a neighbour graph: the samples that stand for most of the others, one after the other.

A sample stands for itself, and by how alike they are for each that has it among its nearest (Lin and Bilmes 2011, "A
class of submodular functions for document summarization", ACL). The greedy order is within 1 - 1/e of the best choice.
"""

import copy
import heapq

import numpy as np


class Coverage:
    """How well some samples stand for all: `near` (N, k) are the nearest of each, -1 for none, `angles` (N, k) theirs.

    `best` (N,) in [0, 1]: how alike each is to the most alike of those taken; its mean is the share that they cover.
    """

    def __init__(self, near: np.ndarray, angles: np.ndarray) -> None:
        exists = near >= 0
        typical = float(np.median(angles[exists])) if exists.any() else 1.0
        alike = np.exp(-((angles[exists] / (typical or 1.0)) ** 2)).astype(np.float32)
        rows = np.broadcast_to(np.arange(len(near), dtype=np.int32)[:, None], near.shape)[exists]
        order = np.argsort(near[exists], kind="stable")
        #: Of each sample in turn, those that it stands for and how well.
        self._rows = rows[order]
        self._alike = alike[order]
        self._start = np.searchsorted(near[exists][order], np.arange(len(near) + 1))
        self.best = np.zeros(len(near), np.float32)

    def copy(self) -> "Coverage":
        """Return the same, to take others from here on."""
        other = copy.copy(self)
        other.best = self.best.copy()
        return other

    def take(self, id: int) -> None:
        """Count a sample among those taken."""
        rows, alike = self._of(id)
        self.best[rows] = np.maximum(self.best[rows], alike)
        self.best[id] = 1

    def order(self, count: int, *, among: np.ndarray, weights: np.ndarray) -> list[int]:
        """Take up to `count` of a mask `among` (N,), each the one that adds most times its weight (N,); return them.

        >>> near, angles = np.array([[1], [0], [1], [-1]]), np.array([[0.1], [0.1], [0.1], [np.nan]])
        >>> Coverage(near, angles).order(3, among=np.ones(4, bool), weights=np.ones(4))
        [1, 3, 0]
        """
        ids = np.flatnonzero(among & (weights > 0))
        heap = list(zip((-self._gains()[ids] * weights[ids]).tolist(), ids.tolist(), strict=True))
        heapq.heapify(heap)
        order: list[int] = []
        while heap and len(order) < count:
            id = heap[0][1]
            # What a sample adds only falls, so that the first of the heap is the best once it was counted again.
            now = -float(self._gain(id) * weights[id])
            heapq.heapreplace(heap, (now, id))
            if heap[0] == (now, id):
                heapq.heappop(heap)
                self.take(id)
                order.append(id)
        return order

    def _of(self, id: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(self._start[id], self._start[id + 1])
        return self._rows[part], self._alike[part]

    def _gain(self, id: int) -> float:
        """Return how much a sample adds to the sum of `best`."""
        rows, alike = self._of(id)
        return float(np.maximum(alike - self.best[rows], 0).sum(dtype=np.float64) + 1 - self.best[id])

    def _gains(self) -> np.ndarray:
        """Return how much each adds, (N,)."""
        ids = np.repeat(np.arange(len(self.best)), np.diff(self._start))
        gains = np.maximum(self._alike - self.best[self._rows], 0)
        return np.bincount(ids, gains, minlength=len(self.best)) + 1 - self.best
