"""The details of one sample: votes, softmax and angle per class, percentiles, nearest neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.measures import scores
from avhcurate.measures.scores.softmax import log_probs
from avhcurate.measures.stats.neighbours import Neighbours, angles_to, angles_with, nearest, nearest_of
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.workspace.data.runs import RunFolder

#: Samples of a class that are compared with one, where its neighbour graph has none of them.
MEMBERS = 2_000


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


def inspect(samples: SampleTable, run: RunFolder | None, votes: Votes, id: int) -> Inspection:
    """Return the details of sample `id`; an unknown id is refused."""
    row = samples.sample(id)
    ids = np.array([id])
    softmax = None
    angles = None
    shares = None
    if run is not None and row["predicted"] is not None:
        if run.has_logits:
            softmax = np.exp(log_probs(np, run.logits_of(ids)))[0]
        if run.has_heads:
            angles = _class_angles(run, ids)
    counted = votes.by_sample(id)
    if counted is not None and "counts" in counted and len(counted):
        counts = np.asarray(counted["counts"].iloc[0])
        shares = counts / counts.sum()
    return Inspection(row, samples.percentiles(id), shares, softmax, angles)


def _class_angles(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Return the angles (K,) of one sample to the weights of the head that has scored it, as its row has them."""
    ((_, class_weights, _),) = run.heads_of(ids)
    return scores.angles(run.features_of(ids).astype(np.float64), class_weights.astype(np.float64))[0]


@dataclass(frozen=True)
class Lookalike:
    """The sample `id` that is nearest to another one by angle among those of another class.

    `labels` are the class of the other one and this class, `angles` (rad) those of the other one to the weights of
    both. `partly`: only `MEMBERS` samples of this class were compared.
    """

    id: int
    labels: tuple[int, int]
    angles: tuple[float, float]
    partly: bool


def lookalike(
    samples: SampleTable, run: RunFolder | None, neighbours: NeighbourGraph | None, id: int
) -> Lookalike | None:
    """Return the nearest sample of the class whose weights are nearest to sample `id`, its own class left out.

    Excluded samples are left out too. None where that is not known: without a label, embedding or class weights, or
    where that class has no sample. The run's neighbour graph is looked into first.
    """
    row = samples.sample(id)
    label = row["curated_label"]
    if run is None or not (run.has_heads and run.has_features) or label is None or row["predicted"] is None:
        return None
    angles = _class_angles(run, np.array([id]))
    others = np.where(np.arange(len(angles)) == label, np.inf, angles)
    if label >= len(angles) or len(angles) < 2 or not np.isfinite(angles).all():
        return None
    other = int(others.argmin())
    near, partly = _nearest_labelled(samples, run, neighbours, id, other)
    if near is None:
        return None
    return Lookalike(near, (label, other), (float(angles[label]), float(angles[other])), partly)


def _nearest_labelled(
    samples: SampleTable, run: RunFolder | None, neighbours: NeighbourGraph | None, id: int, label: int
) -> tuple[int | None, bool]:
    """Return the sample with a label that is nearest to another one, and whether some were not compared."""
    members = "SELECT id FROM samples WHERE curated_label = ? AND NOT excluded AND problem IS NULL AND predicted >= 0"
    if neighbours:
        near = neighbours.nearest(id, count=neighbours.record.count).ids.tolist()
        labelled = {member for (member,) in samples.query(f"{members} AND id IN (SELECT unnest(?))", [label, near])}
        for member in near:
            if member in labelled:
                return member, False
    drawn = samples.query(f"{members} AND id <> ? ORDER BY hash(id) LIMIT ?", [label, id, MEMBERS + 1])
    among = np.sort(np.array(drawn[:MEMBERS], np.int64).ravel())
    if not len(among):
        return None, False
    assert run is not None
    ids, _ = nearest_of(run.features(), np.array([id]), count=1, among=among)
    return int(ids[0, 0]), len(drawn) > MEMBERS


def neighbours(
    samples: SampleTable, run: RunFolder | None, neighbours: NeighbourGraph | None, id: int, *, count: int = 12
) -> Neighbours:
    """Return the samples at the smallest angle to sample `id`, from the run's neighbour graph or else computed now."""
    if run is None:
        raise CurateError("Neighbours need a model run. Score the dataset first.")
    features = run.features()
    graph = neighbours
    if graph and graph.record.count >= count and 0 <= id < samples.size:
        nearby = graph.nearest(id, count=count)
        if len(nearby.ids):
            return nearby
    return nearest(features, id, count=count)


def by_angle(
    samples: SampleTable, run: RunFolder | None, filters: Filters, like: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids that satisfy the filters, (n,) int64, and their angles (rad, (n,)) to the nearest of `like`.

    The smallest angle comes first; samples without direction come last, with NaN.
    """
    if run is None:
        raise CurateError("More like this compares the features of a model. Score the dataset first.")
    features = run.features()
    if unknown := [id for id in like if not 0 <= id < len(features)]:
        raise CurateError(f"Unknown sample {unknown[0]}. The run has samples 0 to {len(features) - 1}.")
    return _nearest_first(samples, filters, partial(angles_to, features, np.array(like)))


def by_vector(
    samples: SampleTable, run: RunFolder | None, filters: Filters, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same by the angle to a unit vector (D,), as that of words."""
    assert run is not None
    return _nearest_first(samples, filters, partial(angles_with, run.features(), u[None]))


def _nearest_first(
    samples: SampleTable, filters: Filters, angles_of: Callable[..., np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    ids = samples.frame(filters, columns=["id"])["id"].to_numpy(np.int64)
    angles = angles_of(among=ids)
    order = np.lexsort((ids, angles))
    return ids[order], angles[order]


def rows_of(samples: SampleTable, ids: Sequence[int], *, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows of some samples in the order of `ids`, also excluded ones."""
    rows = samples.frame(Filters(excluded=None, ids=tuple(ids)), columns=columns)
    return rows.set_index("id", drop=False).loc[list(ids)].reset_index(drop=True)
