"""The samples that annotators can be asked about and their order; known members and similar classes for controls."""

import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes.grids import GridDesign, known_members, negative_pool, prototypes, similar_classes
from avhcurate.votes.queues import Queue, prediction_spread, queue_order, rank_spread

#: By which known members are found where no votes tell them.
_SCORE = "avh"


@dataclass(frozen=True)
class QueueOrder:
    """How samples are queued: see `votes.queues`; `score` is meant by the queue `hardest`."""

    queue: Queue
    score: str
    seed: int


class TaskPool:
    """The samples of a table that annotators can be asked about, by id, and what controls they can be given.

    `labels` (N,) with -1 for none; `paths` (N,); `eligible` (N,): neither excluded nor unreadable; `classes`: names by
    label, as the dataset has them.
    """

    def __init__(self, table: DatasetTable) -> None:
        self.annotated, self.classes = table.annotated, table.counter.classes
        self._table, self._run = weakref.ref(table), table.run  # kept for a table, so not keeping it
        frame = table.frame(columns=["path", "label", "excluded", "problem", "hsf", "votes", _SCORE])
        self.labels = frame["label"].fillna(-1).to_numpy(np.int64)
        self.paths = frame["path"].to_numpy(object)
        self.eligible = ~frame["excluded"].to_numpy(bool) & frame["problem"].isna().to_numpy()
        self._easy = frame[_SCORE].to_numpy(float) if table.run else None
        human = table.votes is not None and not table.simulated
        self._hsf = frame["hsf"].to_numpy(float) if human else None
        self._votes = frame["votes"].fillna(0).to_numpy(float) if human else None
        self._known: dict[int, np.ndarray] = {}
        self._kept: tuple[int, np.ndarray] | None = None
        self._values: dict[str, np.ndarray] = {}

    def ids_of(self, paths: Iterable[str]) -> dict[str, int]:
        """Ids by path, of the samples that the dataset still has."""
        return {path: self._ids[path] for path in paths if path in self._ids}

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {str(path): id for id, path in enumerate(self.paths)}

    def order(self, order: QueueOrder, votes: np.ndarray, target: int) -> np.ndarray:
        """Ids that still need votes, of which each has `votes` (N,), the next one first.

        Half of the known members come last, so that there are controls to the end.
        """
        values = self._of_queue(order)
        harder = SCORES[order.score].harder if order.queue == "hardest" else "high"
        ids = queue_order(order.queue, votes, values=values, harder=harder, target=target, seed=order.seed)
        ids = ids[self.eligible[ids]]
        kept = self._kept_back(order.seed)[ids]
        return np.concatenate([ids[~kept], ids[kept]])

    def known(self, label: int) -> np.ndarray:
        """Ids of samples of a class whose label is beyond doubt, as far as votes or a model tell."""
        if label not in self._known:
            design, size = GridDesign(), int((self.labels == label).sum())
            needed = design.positives * -(-size // design.candidates) + design.candidates // 2
            labels = np.where(self.eligible, self.labels, -1)
            self._known[label] = known_members(
                labels, label, hsf=self._hsf, votes=self._votes, score=self._easy, needed=needed
            )
        return self._known[label]

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
        if run is None or number < 2:
            return None
        weights = run.class_weights()
        if len(weights) < number:  # the model knows fewer classes than the dataset has
            weights = prototypes(run.features(), self.labels, number)
        return similar_classes(weights[:number])

    def _kept_back(self, seed: int) -> np.ndarray:
        """Mask (N,) of the known members that are asked about last."""
        if self._kept is None or self._kept[0] != seed:
            kept = np.zeros(len(self.labels), bool)
            if len(self.checks) <= len(self.labels) / 2:  # else there is nothing to tell them by, and anybody is known
                kept[np.random.default_rng(seed).permutation(self.checks)[: len(self.checks) // 2]] = True
            self._kept = (seed, kept)
        return self._kept[1]

    def _of_queue(self, order: QueueOrder) -> np.ndarray | None:
        if order.queue not in ("hardest", "disagreement"):
            return None
        key = f"{order.queue} {order.score}"
        if key not in self._values:
            self._values[key] = self._score(order.score) if order.queue == "hardest" else self._disagreement()
        return self._values[key]

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
        scores = [pq.read_table(run.scores_path, columns=["id", "predicted", _SCORE]).to_pandas() for run in runs]
        by_id = [rows.set_index("id").reindex(range(len(self.labels))) for rows in scores]
        spread = prediction_spread(np.stack([rows["predicted"].fillna(-1).to_numpy(np.int64) for rows in by_id]))
        return spread + 1e-3 * np.nan_to_num(rank_spread(np.stack([rows[_SCORE].to_numpy(float) for rows in by_id])))


_POOLS: WeakKeyDictionary[DatasetTable, TaskPool] = WeakKeyDictionary()
_OPENING = threading.Lock()


def task_pool(table: DatasetTable) -> TaskPool:
    """What can be asked about a table, worked out once, and again when samples were excluded or included since."""
    with _OPENING:
        pool = _POOLS.get(table)
        if pool is None or pool.annotated != table.annotated:
            pool = _POOLS[table] = TaskPool(table)
        return pool


def seed_of(*parts: str | int) -> int:
    """A seed for what is drawn for somebody: the same on every machine.

    >>> seed_of(0, "ann") == seed_of(0, "ann") != seed_of(1, "ann")
    True
    """
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=4).digest(), "little")
