"""The details of one sample: votes, softmax and AVC per class, percentiles, nearest neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from avhcurate import scores
from avhcurate.errors import CurateError
from avhcurate.stats.neighbours import Neighbours, angles_to, nearest
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters


@dataclass(frozen=True)
class Inspection:
    """One sample. `votes` (shares), `softmax` and `avc` have a value a class, or are None where there is none.

    `row` has the columns of the table, `percentiles` the share of samples whose score is not larger.
    """

    row: dict[str, Any]
    percentiles: dict[str, float]
    votes: np.ndarray | None
    softmax: np.ndarray | None
    avc: np.ndarray | None


def inspect(table: DatasetTable, id: int) -> Inspection:
    """The details of sample `id`; an unknown id is refused."""
    row = table.sample(id)
    softmax, avc = _per_class(table, id) if row["predicted"] is not None else (None, None)
    return Inspection(row, table.percentiles(id), _vote_shares(table, id), softmax, avc)


def neighbours(table: DatasetTable, id: int, *, count: int = 12) -> Neighbours:
    """The samples at the smallest angle to sample `id`: of the run's neighbour graph, or compared with all now."""
    if table.run is None:
        raise CurateError("neighbours need a model run: score the dataset first")
    if not table.run.has_features:
        raise CurateError(f"run {table.run.name} has no embeddings, so no neighbours: attach it again with --features")
    graph = table.neighbours
    if graph and graph.record.count >= count and 0 <= id < table.size:
        found = graph.nearest(id, count=count)
        if len(found.ids):
            return found
    return nearest(table.run.features(), id, count=count)


def by_angle(table: DatasetTable, filters: Filters, like: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Ids that satisfy the filters, (n,) int64, and their angles (rad, (n,)) to the nearest of `like`, smallest first.

    Samples without direction come last, with NaN.
    """
    if table.run is None:
        raise CurateError("More like this compares the features of a model: score the dataset first")
    features = table.run.features()
    if unknown := [id for id in like if not 0 <= id < len(features)]:
        raise CurateError(f"there is no sample {unknown[0]}: the run has features of samples 0 to {len(features) - 1}")
    ids = table.frame(filters, columns=["id"])["id"].to_numpy(np.int64)
    angles = angles_to(features, np.array(like), among=ids)
    order = np.lexsort((ids, angles))
    return ids[order], angles[order]


def rows_of(table: DatasetTable, ids: Sequence[int], *, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of some samples in the order of `ids`, excluded ones too."""
    rows = table.frame(Filters(excluded=None, ids=tuple(ids)), columns=columns)
    return rows.set_index("id", drop=False).loc[list(ids)].reset_index(drop=True)


def _per_class(table: DatasetTable, id: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Softmax and AVC, each None where the run has no logits, no class weights."""
    run, ids = table.run, np.array([id])
    assert run is not None  # a prediction came from a run
    softmax = avc = None
    if run.has_logits:
        odds = np.exp((logits := run.logits_of(ids))[0] - logits[0].max())
        softmax = odds / odds.sum()
    if run.has_class_weights:
        # Those of the head that has scored it, so that they agree with its row.
        ((_, class_weights, _),) = run.heads_of(ids)
        avc = scores.avc(run.features_of(ids).astype(np.float64), class_weights.astype(np.float64))[0]
    return softmax, avc


def _vote_shares(table: DatasetTable, id: int) -> np.ndarray | None:
    frame = table.vote_counts(id)
    counts = [] if frame is None or "counts" not in frame else frame["counts"].tolist()
    total = int(np.sum(counts[0])) if counts else 0
    return np.asarray(counts[0]) / total if total else None
