"""The samples that annotators can be asked about, in the order of a queue; known members and others for controls."""

import threading
import weakref
from collections.abc import Iterable
from functools import cached_property
from hashlib import blake2b
from typing import Literal, get_args
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from avhcurate.data.runs import RunFolder
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.sample_table import hardness_key
from avhcurate.votes.grids import GridDesign, known_members, negative_pool, prototypes, similar_classes
from avhcurate.votes.queues import LAST, draw_rates, read_record

#: Which samples are asked about next: at random, hardest first, where models disagree, fewest votes first, or where
#: votes tell the model of predicted HSF most.
Queue = Literal["random", "hardest", "disagreement", "fewest", "informative"]
QUEUES: tuple[Queue, ...] = get_args(Queue)


class TaskPool:
    """The samples of a table that annotators can be asked about, by id, and the controls among them.

    `labels` (N,) with -1 for none; `paths` (N,); `eligible` (N,): neither excluded nor unreadable; `classes`: names by
    label, as the dataset has them.
    """

    def __init__(self, table: DatasetTable) -> None:
        self.exclusions, self.classes = table.exclusions, table.counter.classes
        self._table, self._run = weakref.ref(table), table.run  # the pool of a table must not keep it alive
        frame = table.frame(columns=["path", "label", "excluded", "problem", "hsf", "votes", table.hardness])
        self.labels = frame["label"].fillna(-1).to_numpy(np.int64)
        self.paths = frame["path"].to_numpy(object)
        self.eligible = ~frame["excluded"].to_numpy(bool) & frame["problem"].isna().to_numpy()
        #: High = hard, by the score that finds known members where no votes do.
        self._easy = SCORES[table.hardness].sign * frame[table.hardness].to_numpy(float) if table.run else None
        human = table.votes is not None and not table.simulated
        self._hsf = frame["hsf"].to_numpy(float) if human else None
        self._votes = frame["votes"].fillna(0).to_numpy(float) if human else None
        self._known_members: dict[int, np.ndarray] = {}
        self._kept: tuple[int, np.ndarray] | None = None
        self._values: dict[str, np.ndarray] = {}

    def ids_of(self, paths: Iterable[str]) -> dict[str, int]:
        """Ids by path, of the samples that the dataset still has."""
        return {path: self._ids[path] for path in paths if path in self._ids}

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {str(path): id for id, path in enumerate(self.paths)}

    def order(self, queue: Queue, votes: np.ndarray, *, score: str, target: int, seed: int) -> np.ndarray:
        """Ids that still need votes, of which each has `votes` (N,), the next one first; see `queue_order`.

        `score` is that of the queue `hardest`. Half of the known members come last, so that there are controls to the
        end.
        """
        harder = _hard_end(queue, score)
        values = self._values_of(queue, score)
        ids = queue_order(queue, votes, values=values, harder=harder, target=target, seed=seed)
        ids = ids[self.eligible[ids]]
        last = self._kept_back(seed)[ids]
        return np.concatenate([ids[~last], ids[last]])

    def drawn_order(self, record: int, votes: np.ndarray, *, target: int) -> np.ndarray:
        """The same for a queue that draws: in the order of the times of its record, see `votes.queues`.

        Samples that it could not ask about, as those of a later import, come when all others have, in a random order.
        """
        table, key = self._table(), f"record {record}"
        if key not in self._values and table is not None:
            rows = read_record(table.dataset, record).set_index("path")
            times = rows["time"].reindex(self.paths).fillna(np.inf).to_numpy(float)
            self._values[key] = np.lexsort([np.random.default_rng(record).permutation(len(times)), times])
        ids = self._values[key]
        return ids[self.eligible[ids] & (votes[ids] < target)]

    def rates(self, queue: Queue, *, score: str, seed: int) -> np.ndarray:
        """How likely a queue that draws asks about each sample next, (N,); 0 for one that it cannot ask about.

        A random order keeps half of the known members for the end, as `order` does. A queue with a wish does not: they
        would have no chance of being asked about.
        """
        if queue == "random":
            rates = np.where(self._kept_back(seed), LAST, 1.0)
        else:
            rates = draw_rates(self.wanted(queue, score))
        return np.where(self.eligible, rates, 0.0)

    def wanted(self, queue: Queue, score: str) -> np.ndarray:
        """How much each sample is wanted by a queue that has a wish, (N,), large = first; NaN for unknown."""
        values = self._values_of(queue, score)
        if values is None:
            raise CurateError(f"the queue {queue} has no samples that it wants more than others")
        return values if _hard_end(queue, score) == "high" else -values

    def known(self, label: int) -> np.ndarray:
        """Ids of samples of a class whose label is beyond doubt, judged by votes or a model."""
        if label not in self._known_members:
            design, size = GridDesign(), int((self.labels == label).sum())
            needed = design.positives * -(-size // design.candidates) + design.candidates // 2
            labels = np.where(self.eligible, self.labels, -1)
            self._known_members[label] = known_members(
                labels, label, hsf=self._hsf, votes=self._votes, score=self._easy, needed=needed
            )
        return self._known_members[label]

    def known_of_others(self, label: int, *, needed: int, seed: int) -> np.ndarray:
        """Known members of the most similar other class, and of the next ones where it has too few.

        By the angles between the run's class weights; without a run, other classes in a random order.
        """
        if self._similar is None:
            order = np.random.default_rng([seed, label]).permutation(np.delete(np.arange(len(self.classes)), label))
        else:
            order = self._similar[label]
        return negative_pool(order, self.known, needed=needed)

    @cached_property
    def checks(self) -> np.ndarray:
        """Ids of known members of every class."""
        present = np.unique(self.labels[self.labels >= 0])
        return np.concatenate([np.empty(0, np.int64), *(self.known(int(label)) for label in present)])

    @cached_property
    def _similar(self) -> np.ndarray | None:
        run, number = self._run, len(self.classes)
        if run is None or number < 2 or not (run.has_class_weights or run.has_features):
            return None
        weights = run.class_weights() if run.has_class_weights else np.empty((0, run.record.width))
        if len(weights) < number:  # the run knows fewer classes than the dataset has, or none
            weights = prototypes(run.features(), self.labels, number)
        return similar_classes(weights[:number])

    def _kept_back(self, seed: int) -> np.ndarray:
        """Mask (N,) of the known members that are asked about last."""
        if self._kept is None or self._kept[0] != seed:
            kept = np.zeros(len(self.labels), bool)
            if len(self.checks) <= len(self.labels) / 2:  # else every sample passes for known
                kept[np.random.default_rng(seed).permutation(self.checks)[: len(self.checks) // 2]] = True
            self._kept = (seed, kept)
        return self._kept[1]

    def _values_of(self, queue: Queue, score: str) -> np.ndarray | None:
        if queue not in ("hardest", "disagreement", "informative"):
            return None
        key = f"{queue} {score}"
        if key not in self._values:
            if queue == "hardest":
                self._values[key] = self._score(score)
            else:
                self._values[key] = self._disagreement() if queue == "disagreement" else self._information()
        return self._values[key]

    def _information(self) -> np.ndarray:
        """What votes would tell the model of the newest prediction, as it says."""
        table = self._table()
        if table is None or table.prediction is None:
            raise CurateError(
                "where votes teach most is not known: run `avhcurate predict` first, or take another queue"
            )
        return table.prediction.table()["information"].to_numpy(float)

    def _score(self, score: str) -> np.ndarray:
        table = self._table()
        if table is None or table.run is None:
            raise CurateError("hardest first needs a model run: score the dataset, or choose another queue")
        return table.frame(columns=[score])[score].to_numpy(float)

    def _disagreement(self) -> np.ndarray:
        """Share of pairs of runs that predict different labels; among equals, how far apart they find it hard."""
        table = self._table()
        runs = [run for run in table.dataset.runs() if run.complete] if table else []
        if len(runs) < 2:
            raise CurateError(
                "models disagree only where two have been run: score with another, or choose another queue"
            )
        scores = [_hardness_of(run) for run in runs]
        by_id = [rows.set_index("id").reindex(range(len(self.labels))) for rows in scores]
        spread = prediction_spread(np.stack([rows["predicted"].fillna(-1).to_numpy(np.int64) for rows in by_id]))
        return spread + 1e-3 * np.nan_to_num(
            rank_spread(np.stack([rows["hardness"].to_numpy(float) for rows in by_id]))
        )


def _hard_end(queue: Queue, score: str) -> Literal["high", "low"]:
    return SCORES[score].hard_end if queue == "hardest" else "high"


def _hardness_of(run: RunFolder) -> pd.DataFrame:
    """`id, predicted, hardness` of a run, by the measure of hardness that it has; large = hard."""
    key = hardness_key(pq.read_schema(run.scores_path).names)
    rows = pq.read_table(run.scores_path, columns=["id", "predicted", key]).to_pandas()
    return rows.assign(hardness=SCORES[key].sign * rows[key])[["id", "predicted", "hardness"]]


def queue_order(
    queue: Queue,
    votes: ArrayLike,
    *,
    values: ArrayLike | None = None,
    harder: Literal["high", "low"] = "high",
    target: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Rows that still need votes, the next one first, (m,) int64.

    votes: (N,) votes each sample has. target: a sample with so many is done and left out (None: none is ever done).
    values: (N,) for `hardest` the score, of which the `harder` end comes first; for `disagreement` what
    `prediction_spread` or `rank_spread` returns; for `informative` the information. NaN comes last. Ties are broken at
    random by the seed, in the same way as votes come in, so that the order is stable. Raises CurateError where values
    are missing.

    >>> queue_order("fewest", [3, 0, 1, 5], target=5).tolist()
    [1, 2, 0]
    >>> queue_order("hardest", [0, 0, 0], values=[0.1, 0.9, 0.5]).tolist()
    [1, 2, 0]
    """
    if queue not in QUEUES:
        raise CurateError(f"there is no queue {queue!r}: choose one of {', '.join(QUEUES)}")
    have = np.asarray(votes, np.int64)
    if target is not None and target < 1:
        raise CurateError(f"the target must be one vote a sample or more; it was {target}")
    shuffled = np.random.default_rng(seed).permutation(len(have))
    if target is not None:
        shuffled = shuffled[have[shuffled] < target]
    if queue == "random":
        return shuffled
    if queue == "fewest":
        return shuffled[np.argsort(have[shuffled], kind="stable")]
    if values is None:
        raise CurateError(f"the queue {queue} needs a score of each sample: score the dataset with a model first")
    wanted = np.asarray(values, float)
    if wanted.shape != have.shape:
        raise CurateError(f"votes {have.shape} and values {wanted.shape} must hold one number a sample each")
    keys = wanted if queue == "hardest" and harder == "low" else -wanted
    return shuffled[np.argsort(keys[shuffled], kind="stable")]


def prediction_spread(predicted: ArrayLike) -> np.ndarray:
    """How often two models predict different labels: predicted (M, N), -1 for none -> (N,) in [0, 1].

    The share of pairs of models that differ; NaN where fewer than two predict one.

    >>> prediction_spread([[0, 0], [0, 1], [0, 2]]).tolist()
    [0.0, 1.0]
    """
    labels = np.asarray(predicted)
    if labels.ndim != 2:
        raise CurateError(f"predictions must have the shape (models, samples), not {labels.shape}")
    valid = labels >= 0
    same = sum(((labels == row) & valid & (row >= 0)).sum(axis=0) for row in labels) - valid.sum(axis=0)
    pairs = valid.sum(axis=0) * (valid.sum(axis=0) - 1)
    return 1 - np.divide(same, pairs, out=np.full(labels.shape[1], np.nan), where=pairs > 0)


def rank_spread(scores: ArrayLike) -> np.ndarray:
    """How far models are apart on how hard a sample is: scores (M, N), NaN for none -> (N,).

    The standard deviation over models of the sample's rank as a share of all, so that models whose scores have
    different scales can be compared; NaN where fewer than two have one.

    >>> rank_spread([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]).tolist()
    [0.0, 0.0, 0.0]
    """
    values = np.asarray(scores, float)
    if values.ndim != 2:
        raise CurateError(f"scores must have the shape (models, samples), not {values.shape}")
    number = np.isfinite(values).sum(axis=1, keepdims=True)
    finite = np.where(np.isfinite(values), values, np.nan)
    ranks = (rankdata(finite, axis=1, nan_policy="omit") - 0.5) / np.maximum(1, number)
    spread = pd.DataFrame(ranks).std(ddof=0).to_numpy()
    return np.where(np.isfinite(ranks).sum(axis=0) >= 2, spread, np.nan)


_POOLS: WeakKeyDictionary[DatasetTable, TaskPool] = WeakKeyDictionary()
_OPENING = threading.Lock()


def task_pool(table: DatasetTable) -> TaskPool:
    """The pool of a table, made once, and again when samples were excluded or included since."""
    with _OPENING:
        pool = _POOLS.get(table)
        if pool is None or pool.exclusions != table.exclusions:
            pool = _POOLS[table] = TaskPool(table)
        return pool


def seed_of(*parts: str | int) -> int:
    """A seed from names and numbers, the same on every machine.

    >>> seed_of(0, "ann") == seed_of(0, "ann") != seed_of(1, "ann")
    True
    """
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=4).digest(), "little")
