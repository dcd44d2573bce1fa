"""Two ways to find the nearest samples by angle: all pairs compared, or faiss."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, cast

import numpy as np

from avhcurate.measures.stats.neighbours import angles_sorted, nearest_of, unit
from avhcurate.workspace.disk.jobs import Progress

#: Up to so many samples all pairs are compared, which takes about as long as an index does.
EXACT_ROWS = 50_000

#: Bytes of features read at a time.
_BLOCK = 1 << 25
#: Found beyond the number asked for: the sample itself, and some for rounding.
_SPARE = 5


class Search:
    """A search among the samples of a run, here by comparing each with every other.

    `settings` it was made with, `packages` it uses. `shard`: how many samples are best asked for at once.
    """

    method: ClassVar[Literal["exact", "faiss"]] = "exact"
    packages: ClassVar[tuple[str, ...]] = ()
    shard: ClassVar[int] = 2048

    def __init__(self, features: np.ndarray) -> None:
        self._features = features
        self.settings: dict[str, Any] = {}

    def search(self, ids: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest samples of some, (n, count) -1 where there is none, and their angles (rad), NaN there."""
        return nearest_of(self._features, ids, count=count)

    def widen(self) -> bool:
        """Search more thoroughly from now on; return False where that is not possible."""
        return False


def with_direction(features: np.ndarray) -> np.ndarray:
    """Return the ids of the rows of features (N, D) that are finite and not zero, ascending."""
    rows = [np.empty(0, np.int64)]
    for part in blocks(np.arange(len(features)), features.shape[1]):
        block = np.asarray(features[part[0] : part[-1] + 1])
        rows.append(part[np.isfinite(block).all(axis=1) & np.any(block, axis=1)])
    return np.concatenate(rows)


def blocks(ids: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield the ids in parts whose features of so many float32 numbers are read at a time."""
    step = max(1, _BLOCK // (4 * width))
    return (ids[start : start + step] for start in range(0, len(ids), step))


def chosen_search(features: np.ndarray, rows: np.ndarray, *, seed: int, progress: Progress) -> Search:
    """Return the search for `rows` of features (N, D): exact for few, by faiss for many."""
    if len(rows) <= EXACT_ROWS:
        return Search(features)
    return CellSearch(features, rows, seed=seed, progress=progress)


class CellSearch(Search):
    """faiss: codes of shortened directions in cells of k-means; the best by their codes are compared in full.

    A direction is shortened by principal components and coded by 4 bits for two of them (fast scan, Andre et al. 2017).
    Of 200,000 made-up samples, walking along links (HNSW) took more than twice as long and found less: docs/scale.md.
    """

    method = "faiss"
    packages = ("faiss-cpu",)
    shard = 1 << 14
    #: Components, cells by the root of the samples, and samples a cell that they are learnt from.
    _COMPONENTS = 128
    _CELLS = 2.0
    _LEARNT = 64
    #: Cells that a search looks into, and how many times as many as asked for are compared in full; how often doubled.
    _LOOKED = 32
    _FULL = 12
    _DOUBLED = 4

    def __init__(self, features: np.ndarray, rows: np.ndarray, *, seed: int, progress: Progress) -> None:
        import faiss

        super().__init__(features)
        self._rows = rows
        width = min(self._COMPONENTS, features.shape[1])
        cells = max(1, int(self._CELLS * len(rows) ** 0.5))
        codes = width // (2 - width % 2)
        index = faiss.index_factory(features.shape[1], f"PCA{width},IVF{cells},PQ{codes}x4fs")
        self._cells = cast(Any, faiss.downcast_index(faiss.extract_index_ivf(index)))
        self._cells.cp.min_points_per_centroid = self._cells.pq.cp.min_points_per_centroid = 1
        progress.tell(0, len(features), "learning cells of near images")
        learnt = np.random.default_rng(seed).choice(rows, min(len(rows), self._LEARNT * cells), replace=False)
        self._index = faiss.IndexRefineFlat(index)
        self._index.train(_directions(features, np.sort(learnt)))
        self.settings = {"components": width, "cells": cells, "looked_into": self._LOOKED, "in_full": self._FULL}
        self._set()
        for part in blocks(rows, features.shape[1]):
            progress.tell(int(part[0]), len(features), "sorting images into cells")
            self._index.add(_directions(features, part))

    def search(self, ids: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        near = self._index.search(_directions(self._features, ids), count + _SPARE)[1]
        return angles_sorted(self._features, ids, np.where(near >= 0, self._rows[near], -1), count=count)

    def widen(self) -> bool:
        if self.settings["in_full"] >= self._FULL << self._DOUBLED:
            return False
        self.settings["looked_into"] *= 2
        self.settings["in_full"] *= 2
        self._set()
        return True

    def _set(self) -> None:
        self._cells.nprobe = self.settings["looked_into"]
        self._index.k_factor = float(self.settings["in_full"])


def _directions(features: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return unit(np.asarray(features[ids], np.float32))
