"""The neighbour graph of a run on disk: the samples nearest by angle to each, and how they were found."""

from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field

from avhcurate.measures.stats.neighbours import Neighbours
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.arrays import read_npy
from avhcurate.workspace.disk.files import write_array
from avhcurate.workspace.disk.folders import ShardedFolder, spread
from avhcurate.workspace.disk.provenance import Provenance

#: Nearest samples whose mean angle is the score `neighbour_angle`, and of which recall tells.
OUTLIER = 12


class GraphRecord(Provenance):
    """The record of a search, `graph.json`; `finished` and what follows are set when it is complete.

    `count` nearest samples of each of `samples` that have a direction. `settings`: of the method. `recall`: the share
    of the `OUTLIER` nearest that was found, of `checked` samples drawn with `seed`; an exact search checks none.
    """

    run: str
    count: int
    samples: int
    seed: int
    method: Literal["exact", "faiss"]
    settings: dict[str, Any] = Field(default_factory=dict)
    recall: float | None = None
    checked: int = 0


class NeighbourGraph(ShardedFolder[GraphRecord]):
    """RUN/neighbours/graph/: `near.npy`, `angles.npy`, then `scores.parquet`, a row a sample, and `graph.json`.

    near: (N, count) int32 by id, nearest first, -1 where there is none; angles: (N, count) float32 (rad), NaN there.
    scores: id and neighbour_angle, the mean angle to the `OUTLIER` nearest, null for a sample without direction.
    """

    HOME = "neighbours"
    FILE = "graph.json"
    KIND = GraphRecord
    WHAT = "neighbour graph"
    AGAIN = "remove the folder and search again"

    @classmethod
    def of_run(cls, run: RunFolder) -> Self:
        """Return the run's graph, there or not."""
        return cls.of(run, "graph")

    def holds(self, count: int) -> bool:
        """Whether it is complete, with so many neighbours a sample or more."""
        return self.complete and self.record.count >= count

    def near(self) -> np.ndarray:
        """(N, count) int32, mapped from disk."""
        return read_npy(self.root / "near.npy")

    def angles(self) -> np.ndarray:
        """(N, count) float32, mapped from disk."""
        return read_npy(self.root / "angles.npy")

    def nearest(self, id: int, *, count: int) -> Neighbours:
        """Return the nearest samples of one; none of a sample without direction."""
        ids = self.near()[id, :count]
        angles = self.angles()[id, :count]
        return Neighbours(ids[ids >= 0].astype(np.int64), angles[ids >= 0].astype(np.float64))

    def write_found(self, shard: int, ids: np.ndarray, near: np.ndarray, angles: np.ndarray, *, seconds: float) -> None:
        """Commit the neighbours (n, count) of some samples."""
        columns = {"near": near.astype(np.int32), "angles": angles.astype(np.float32)}
        lists = {name: pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1]) for name, rows in columns.items()}
        self.write_shard(shard, pa.table({"id": ids, **lists}), seconds=seconds)

    def searched(self) -> np.ndarray:
        """Return ids whose neighbours are committed."""
        return np.concatenate([np.empty(0, np.int64), *(self.shard(shard)["id"].to_numpy() for shard in self.shards())])

    def shards(self) -> range:
        """Return those that are committed, from 0 on."""
        shard = 0
        while self.has_shard(shard):
            shard += 1
        return range(shard)

    def assemble(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the arrays of `rows` samples from the shards, in memory."""
        count = self.record.count
        near = np.full((rows, count), -1, np.int32)
        angles = np.full((rows, count), np.nan, np.float32)
        for shard in self.shards():
            table = self.shard(shard).combine_chunks()
            ids = table["id"].to_numpy()
            for into, name in ((near, "near"), (angles, "angles")):
                into[ids] = table[name].chunk(0).flatten().to_numpy().reshape(-1, count)
        return near, angles

    def complete_with(self, near: np.ndarray, angles: np.ndarray, changes: dict[str, Any]) -> None:
        """Complete it: the arrays, the scores, and the record with `changes` last."""
        write_array(self.root / "near.npy", near)
        write_array(self.root / "angles.npy", angles)
        has = near[:, 0] >= 0
        mean = np.asarray(np.nanmean(angles[has, :OUTLIER], axis=1, dtype=np.float64))
        score = spread(mean, has, pa.float64())
        self.finish([pa.table({"id": np.arange(len(near)), "neighbour_angle": score})], changes)
