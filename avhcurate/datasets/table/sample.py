"""The details of one sample: votes, softmax and angle per class, percentiles, nearest neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.measures import scores
from avhcurate.measures.scores.softmax import log_probs
from avhcurate.measures.stats.neighbours import Neighbours, angles_to, nearest


@dataclass(frozen=True)
class Inspection:
    """One sample. `votes` (shares), `softmax` and `angles` (rad) have a value a class, or are None where there is none.

    `row` has the columns of the table, `percentiles` the share of samples whose score is not larger.
    """

    row: dict[str, Any]
    percentiles: dict[str, float]
    votes: np.ndarray | None
    softmax: np.ndarray | None
    angles: np.ndarray | None


def inspect(table: DatasetTable, id: int) -> Inspection:
    """Return the details of sample `id`; an unknown id is refused."""
    row = table.sample(id)
    run = table.run
    ids = np.array([id])
    softmax = None
    angles = None
    votes = None
    if run is not None and row["predicted"] is not None:
        if run.has_logits:
            softmax = np.exp(log_probs(np, run.logits_of(ids)))[0]
        if run.has_heads:
            # Those of the head that has scored it, so that they agree with its row.
            ((_, class_weights, _),) = run.heads_of(ids)
            features = run.features_of(ids).astype(np.float64)
            angles = scores.angles(features, class_weights.astype(np.float64))[0]
    counted = table.vote_counts(id)
    if counted is not None and "counts" in counted and len(counted):
        counts = np.asarray(counted["counts"].iloc[0])
        votes = counts / counts.sum()
    return Inspection(row, table.percentiles(id), votes, softmax, angles)


def neighbours(table: DatasetTable, id: int, *, count: int = 12) -> Neighbours:
    """Return the samples at the smallest angle to sample `id`, from the run's neighbour graph or else computed now."""
    if table.run is None:
        raise CurateError("Neighbours need a model run. Score the dataset first.")
    features = table.run.features()
    graph = table.neighbours
    if graph and graph.record.count >= count and 0 <= id < table.size:
        nearby = graph.nearest(id, count=count)
        if len(nearby.ids):
            return nearby
    return nearest(features, id, count=count)


def by_angle(table: DatasetTable, filters: Filters, like: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return ids that satisfy the filters, (n,) int64, and their angles (rad, (n,)) to the nearest of `like`.

    The smallest angle comes first; samples without direction come last, with NaN.
    """
    if table.run is None:
        raise CurateError("More like this compares the features of a model. Score the dataset first.")
    features = table.run.features()
    if unknown := [id for id in like if not 0 <= id < len(features)]:
        raise CurateError(f"Unknown sample {unknown[0]}. The run has samples 0 to {len(features) - 1}.")
    ids = table.frame(filters, columns=["id"])["id"].to_numpy(np.int64)
    angles = angles_to(features, np.array(like), among=ids)
    order = np.lexsort((ids, angles))
    return ids[order], angles[order]


def rows_of(table: DatasetTable, ids: Sequence[int], *, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows of some samples in the order of `ids`, also excluded ones."""
    rows = table.frame(Filters(excluded=None, ids=tuple(ids)), columns=columns)
    return rows.set_index("id", drop=False).loc[list(ids)].reset_index(drop=True)
