"""Searches the nearest neighbours of all samples of a run, once for all that use them."""

import shutil
import time
from dataclasses import dataclass

import numpy as np

from avhcurate.errors import CurateError, Run
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.networks.neighbours.graph import OUTLIER, GraphRecord, NeighbourGraph
from avhcurate.networks.neighbours.searches import Search, chosen_search, with_direction
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, versions

#: Neighbours of each sample: enough for a map, for suspects and for copies.
COUNT = 16
#: The most that can be asked for.
MOST = 200
#: The recall of the `OUTLIER` nearest that a search is to reach, and on how many samples it is measured.
RECALL = 0.98
CHECKED = 2000
#: Angles (rad) closer than this are equal: which of several copies were found is nothing to the recall.
_EQUAL = 2e-6
#: Seconds that the search of a sample may take on two quiet cores.
SEARCH_SECONDS = 4e-4


def find_neighbours(
    dataset: DatasetFolder, run: RunFolder, *, count: int = COUNT, seed: int = 0, progress: Progress = SILENT
) -> NeighbourGraph:
    """Return the neighbour graph of a run, searched now unless it is there with `count` neighbours or more.

    Exact up to `searches.EXACT_ROWS` samples; above by faiss, widened until the recall is `RECALL` on `CHECKED` samples
    drawn with `seed`, or the search cannot be wider: the record has the recall that was reached. `progress` counts
    samples. A cancelled search keeps the shards that it has; the next one prepares its index again. Raises Cancelled
    when asked to stop, and CurateError for a run without features.
    """
    if not 1 <= count <= MOST:
        raise CurateError(f"An image has 1 to {MOST} neighbours in the graph, not {count}.")
    if not run.complete:
        raise CurateError(
            f"The run {run.name} is not finished.", fix=f"{Run('score', dataset.name, '...')} again to resume it"
        )
    run.features()  # refused where there are none
    dataset.refuse_another_import(run.record.dataset_fingerprint)
    graph = NeighbourGraph.of_run(run)
    with graph.alone():
        if not graph.holds(count):
            _Searching(dataset, run, graph, max(count, OUTLIER), seed, progress).search()
    return graph


@dataclass(frozen=True)
class _Searching:
    """One search under way."""

    dataset: DatasetFolder
    run: RunFolder
    graph: NeighbourGraph
    count: int
    seed: int
    progress: Progress

    def search(self) -> None:
        started = time.perf_counter()
        features = self.run.features()
        self.progress.tell(0, len(features), "preparing the search for neighbours")
        rows = with_direction(features)
        search = chosen_search(features, rows, seed=self.seed, progress=self.progress)
        earlier = self._begin(search, len(rows))
        checked, truth = self._truth(features, rows, search)
        while len(checked) and _recall(search.search(checked, self.count)[1], truth) < RECALL and search.widen():
            self.progress.tell(0, len(features), "a wider search for neighbours")
        self._search_all(search, rows, len(features))
        near, angles = self.graph.assemble(len(features))
        self.dataset.refuse_another_import(self.run.record.dataset_fingerprint)
        recall = 1.0
        if len(checked):
            recall = round(_recall(angles[checked], truth), 4)
        changes = {"settings": search.settings, "recall": recall, "checked": len(checked), "finished": now()}
        changes["seconds"] = round(earlier + time.perf_counter() - started, 3)
        self.graph.complete_with(near, angles, changes)
        self.progress.report(len(features), len(features), "")

    def _begin(self, search: Search, samples: int) -> float:
        """Write the record, unless this search was begun already, and return the seconds of its shards."""
        record = GraphRecord(
            run=self.run.name,
            dataset_fingerprint=self.dataset.record.fingerprint,
            count=self.count,
            samples=samples,
            seed=self.seed,
            method=search.method,
            versions=versions("numpy", *search.packages),
            started=now(),
        )
        same = {"count", "samples", "method", "seed", "dataset_fingerprint"}
        if not self.graph.begun or self.graph.record.model_dump(include=same) != record.model_dump(include=same):
            shutil.rmtree(self.graph.root / "scores", ignore_errors=True)
        if not self.graph.shards():
            self.graph.scores_path.unlink(missing_ok=True)
            self.graph.write_record(record)
        return sum(map(self.graph.shard_seconds, self.graph.shards()))

    def _truth(self, features: np.ndarray, rows: np.ndarray, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """Return some samples and the exact angles of their `OUTLIER` nearest; none for an exact search."""
        if search.method == "exact":
            return np.empty(0, np.int64), np.empty((0, OUTLIER))
        checked = np.sort(np.random.default_rng(self.seed).choice(rows, min(CHECKED, len(rows)), replace=False))
        self.progress.tell(0, len(features), "exact neighbours of some images, for the recall")
        return checked, nearest_of(features, checked, count=OUTLIER)[1]

    def _search_all(self, search: Search, rows: np.ndarray, total: int) -> None:
        waiting = np.setdiff1d(rows, self.graph.searched(), assume_unique=True)
        done = len(rows) - len(waiting)
        shard = len(self.graph.shards())
        for start in range(0, len(waiting), search.shard):
            ids = waiting[start : start + search.shard]
            self.progress.tell(done + start, total, "nearest neighbours")
            started = time.perf_counter()
            near, angles = search.search(ids, self.count)
            self.graph.write_found(shard, ids, near, angles, seconds=time.perf_counter() - started)
            shard += 1


def _recall(angles: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of the nearest that were found: as many as lie within the angle of the last true one."""
    return float((angles[:, : truth.shape[1]] <= truth[:, -1:] + _EQUAL).mean())
