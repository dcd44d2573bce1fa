"""The images to label next: those that stand for most others, times how little the run knows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avhcurate.datasets.export.tabular import format_of, write_frame
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Option
from avhcurate.measures.stats.coverage import Coverage
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.networks.neighbours.service import find_neighbours
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.provenance import now, versions

#: What is low where a run knows an image least: the first that it has.
_CERTAIN = ("avc", "max_confidence")
#: Random orders that the curve is compared with, and their seed.
_DRAWS = 10
_SEED = 0


@dataclass(frozen=True)
class NextLabels:
    """Images to label next: `ids` (n,), the most wanted first; `labelled` of the `samples` in view have a label.

    covered (n,): how alike the images in view are to the nearest with a label, on average from 0 to 1, once each of
    `ids` has one; at_random (n,): the same with as many at random, the mean of some draws. `weighted_by`: the score by
    which less certain images come first, "" for none.
    """

    ids: np.ndarray
    covered: np.ndarray
    at_random: np.ndarray
    labelled: int
    samples: int
    weighted_by: str

    @property
    def summary(self) -> str:
        """Return what the images cover and what as many random ones do, in a sentence."""
        enough = 1 + int(np.searchsorted(self.covered, self.at_random[-1]))
        return (
            f"{len(self.ids):,} images cover {self.covered[-1]:.0%} of {self.samples:,} in view; as many at random "
            f"cover {self.at_random[-1]:.0%}, which the first {enough:,} reach."
        )


def next_labels(
    samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, budget: int, *, filters: Filters | None = None
) -> NextLabels:
    """Return up to `budget` images in view to label next: facility location on the run's neighbour graph.

    Images with votes of people are known, and where some have no label, those with one: given or decided. So the same
    call after some answers gives the next batch. Nothing is drawn, so chances are not known. Raises CurateError for a
    run without embeddings, and where all are known.
    """
    filters = filters or Filters()
    if run is None or not run.has_features:
        raise CurateError(
            "The rule diverse compares embeddings.", fix=f"Score the dataset, or attach {Option('features')}, first"
        )
    graph = NeighbourGraph.of_run(run)
    if not graph.complete:
        graph = find_neighbours(dataset, run)
    certain = next((key for key in _CERTAIN if key in samples.scores), "")
    rows = samples.frame(Filters(excluded=None), columns=["curated_label", "votes", certain or "id"])
    labelled = rows["curated_label"].notna().to_numpy()
    if labelled.all():
        labelled = np.zeros(len(rows), bool)
    if not samples.simulated:
        labelled = labelled | (rows["votes"].fillna(0).to_numpy() > 0)
    view = np.zeros(len(rows), bool)
    view[samples.order(filters)] = True
    view &= ~dataset.locked()
    view &= graph.near()[:, 0] >= 0
    free = view & ~labelled
    if not free.any():
        raise CurateError("No image in view is left to label.", fix=f"Widen the filters, or take {Option('where')} out")
    weights = np.ones(len(rows))
    if certain:
        weights = np.nan_to_num(rank_shares(-rows[certain].to_numpy(float)), nan=0.5)
    begun = Coverage(graph.near(), graph.angles())
    begun.best[~view] = 1  # what is not in view need not be covered
    for id in np.flatnonzero(view & labelled).tolist():
        begun.take(id)
    ids = begun.copy().order(budget, among=free, weights=weights)
    rng = np.random.default_rng(_SEED)
    draws = [rng.choice(np.flatnonzero(free), len(ids), replace=False) for _ in range(_DRAWS)]
    return NextLabels(
        ids=np.array(ids),
        covered=_covered(begun, ids, view),
        at_random=np.mean([_covered(begun, draw.tolist(), view) for draw in draws], axis=0),
        labelled=int((view & labelled).sum()),
        samples=int(view.sum()),
        weighted_by=certain,
    )


def _covered(begun: Coverage, ids: list[int], view: np.ndarray) -> np.ndarray:
    """Return the share of the view that is covered after each of some samples is taken in turn, (n,)."""
    coverage = begun.copy()
    sums = []
    for id in ids:
        coverage.take(id)
        sums.append(coverage.best.sum(dtype=np.float64))
    return (np.array(sums) - (~view).sum()) / view.sum()


def write_next_labels(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    batch: NextLabels,
    filters: Filters,
    out: Path,
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Write `id, path, order, covered` and the score as a table, with a manifest, which it returns."""
    format_of(out)  # refused before the work
    assert run is not None
    filters_of_batch = Filters(excluded=None, ids=tuple(batch.ids.tolist()))
    rows = samples.frame(filters_of_batch, columns=["id", "path", *filter(None, [batch.weighted_by])])
    rows = rows.set_index("id").loc[batch.ids].reset_index()
    rows.insert(2, "order", np.arange(1, len(rows) + 1))
    rows.insert(3, "covered", batch.covered)
    record = {
        "rule": "diverse",
        "samples": len(rows),
        "known": batch.labelled,
        "in_view": batch.samples,
        "weighted_by": batch.weighted_by or None,
        "covered": float(batch.covered[-1]),
        "covered_at_random": float(batch.at_random[-1]),
        "drawn": False,
        "filters": filters.to_query(),
        "run": run.name,
        "weights_sha256": run.record.weights_sha256,
        "dataset": dataset.record.name,
        "dataset_fingerprint": dataset.record.fingerprint,
        "versions": versions("numpy"),
        "created": now().isoformat(timespec="seconds"),
    }
    write_frame(rows, out, record, force=force)
    return record
