"""Ways to find the nearest samples by angle: exact, by faiss, by pynndescent; one face for all."""

import json
import os
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np

from avhcurate.data.background import launch, reason
from avhcurate.disk.app_files import install_command
from avhcurate.disk.arrays import create_npy
from avhcurate.disk.jobs import Progress
from avhcurate.errors import CurateError
from avhcurate.stats.neighbours import angles_sorted, nearest_of, unit

#: Up to so many samples all pairs are compared, which takes about as long as an index does.
EXACT_ROWS = 50_000

#: Bytes of features read at a time.
_BLOCK = 1 << 25
#: Found beyond the number asked for: the sample itself, and some for rounding.
_SPARE = 5
#: Seconds between two polls of the process of pynndescent.
_POLL = 0.2


class Search(ABC):
    """A search among the samples of a run: `settings` it was made with, `packages` it uses.

    `shard`: how many samples are best asked for at once.
    """

    method: ClassVar[Literal["exact", "faiss", "pynndescent"]]
    packages: ClassVar[tuple[str, ...]]
    shard: ClassVar[int]
    settings: dict[str, Any]

    @abstractmethod
    def search(self, ids: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest samples of some, (n, count) -1 where there is none, and their angles (rad), NaN there."""

    @abstractmethod
    def widen(self) -> bool:
        """Searches more thoroughly from now on; False where it is as thorough as it gets."""


def with_direction(features: np.ndarray) -> np.ndarray:
    """Ids of the rows of features (N, D) that are finite and not zero, ascending."""
    rows = [
        part[0] + np.flatnonzero(np.isfinite(block).all(axis=1) & np.any(block, axis=1))
        for part in blocks(np.arange(len(features)), features.shape[1])
        for block in [np.asarray(features[part[0] : part[-1] + 1])]
    ]
    return np.concatenate([np.empty(0, np.int64), *rows])


def blocks(ids: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """The ids in parts whose features of so many float32 numbers are read at a time."""
    step = max(1, _BLOCK // (4 * width))
    return (ids[start : start + step] for start in range(0, len(ids), step))


def chosen_search(features: np.ndarray, rows: np.ndarray, *, seed: int, progress: Progress) -> Search:
    """The search for `rows` of features (N, D): exact for few, else by faiss where it is installed."""
    if len(rows) <= EXACT_ROWS:
        return ExactSearch(features)
    kind: type[CellSearch] | type[DescentSearch] = CellSearch if find_spec("faiss") else DescentSearch
    return kind(features, rows, seed=seed, progress=progress)


class ExactSearch(Search):
    """Every sample is compared with every other."""

    method, packages, shard = "exact", (), 2048

    def __init__(self, features: np.ndarray) -> None:
        self._features, self.settings = features, dict[str, Any]()

    def search(self, ids: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        return nearest_of(self._features, ids, count=count)

    def widen(self) -> bool:
        return False


class CellSearch(Search):
    """faiss: codes of shortened directions in cells of k-means; the best by their codes are compared in full.

    A direction is shortened by principal components and coded by 4 bits for two of them (fast scan, Andre et al. 2017).
    Of 200,000 made-up samples, walking along links (HNSW) took more than twice as long and found less: docs/scale.md.
    """

    method, packages, shard = "faiss", ("faiss-cpu",), 1 << 14
    #: Components, cells by the root of the samples, and samples a cell that they are learnt from.
    _COMPONENTS, _CELLS, _LEARNT = 128, 2.0, 64
    #: Cells that a search looks into, and how many times as many as asked for are compared in full; how often doubled.
    _LOOKED, _FULL, _DOUBLED = 32, 12, 4

    def __init__(self, features: np.ndarray, rows: np.ndarray, *, seed: int, progress: Progress) -> None:
        import faiss

        self._features, self._rows = features, rows
        width = min(self._COMPONENTS, features.shape[1])
        cells = max(1, int(self._CELLS * len(rows) ** 0.5))
        codes = width // 2 if width % 2 == 0 else width
        index = faiss.index_factory(features.shape[1], f"PCA{width},IVF{cells},PQ{codes}x4fs")
        self._cells = cast(Any, faiss.downcast_index(faiss.extract_index_ivf(index)))
        self._cells.cp.min_points_per_centroid = self._cells.pq.cp.min_points_per_centroid = 1
        progress.tell(0, len(features), "learning cells of near samples")
        some = np.random.default_rng(seed).choice(rows, min(len(rows), self._LEARNT * cells), replace=False)
        self._index = faiss.IndexRefineFlat(index)
        self._index.train(_directions(features, np.sort(some)))
        self.settings = {"components": width, "cells": cells, "looked_into": self._LOOKED, "in_full": self._FULL}
        self._set()
        for part in blocks(rows, features.shape[1]):
            progress.tell(int(part[0]), len(features), "sorting samples into cells")
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
        self._cells.nprobe, self._index.k_factor = self.settings["looked_into"], float(self.settings["in_full"])


class DescentSearch(Search):
    """pynndescent: a graph of neighbours, improved by the neighbours of neighbours, in a process that can be ended."""

    method, packages, shard = "pynndescent", ("pynndescent", "numba"), 1 << 14
    #: Neighbours of a sample in the graph that is improved, at first and at most.
    _FIRST, _MOST = 30, 120

    def __init__(self, features: np.ndarray, rows: np.ndarray, *, seed: int, progress: Progress) -> None:
        self._features, self._rows, self._progress = features, rows, progress
        self.settings = {"neighbours": self._FIRST, "seed": seed}
        self._near = self._descend()

    def search(self, ids: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        while count + 1 > self._near.shape[1]:
            if not self.widen():
                raise CurateError(
                    f"pynndescent finds {self._MOST - 1} neighbours at most, not {count}: ask for fewer, or "
                    f"run `{install_command('neighbours')}`"
                )
        near = self._near[np.searchsorted(self._rows, ids)]
        return angles_sorted(self._features, ids, np.where(near >= 0, self._rows[near], -1), count=count)

    def widen(self) -> bool:
        if self.settings["neighbours"] >= self._MOST:
            return False
        self.settings["neighbours"] = min(2 * self.settings["neighbours"], self._MOST)
        self._near = self._descend()
        return True

    def _descend(self) -> np.ndarray:
        """Places (n, neighbours) of the nearest among the rows, the sample itself first."""
        self._progress.tell(0, len(self._features), "searching by pynndescent, without progress")
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
            rows, out = Path(folder) / "rows.npy", Path(folder) / "near.npy"
            array = create_npy(rows, np.float32, (len(self._rows), self._features.shape[1]))
            start = 0
            for part in blocks(self._rows, array.shape[1]):
                array[start : start + len(part)] = _directions(self._features, part)
                start += len(part)
            array.flush()
            process = launch([str(rows), str(out), json.dumps(self.settings)], module=__name__, stderr=errors)
            try:
                while process.poll() is None:
                    self._progress.check()
                    _wait(process)
            finally:
                process.kill()
                process.wait()
            if process.returncode:
                errors.seek(0)
                raise RuntimeError(f"pynndescent failed: {reason(errors.read(), process.returncode)}")
            return np.load(out)


def _wait(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return


def _directions(features: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return unit(np.asarray(features[ids], np.float32))


def _descend(rows: str, out: str, settings: str) -> None:
    """The work of the process of pynndescent."""
    import pynndescent

    wanted = json.loads(settings)
    search = pynndescent.NNDescent(
        np.load(rows),
        metric="cosine",
        n_neighbors=wanted["neighbours"],
        random_state=wanted["seed"],
        n_jobs=os.cpu_count(),
        low_memory=True,
    )
    np.save(out, search.neighbor_graph[0].astype(np.int32))


if __name__ == "__main__":
    import sys

    _descend(*sys.argv[1:])
