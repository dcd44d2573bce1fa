"""The samples that annotators can be asked about, in the order of a queue; known members and others for controls."""

import threading
from collections.abc import Iterable
from functools import cached_property
from hashlib import blake2b
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from avhcurate.datasets.curate.second_person import SecondPerson, second_person
from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Run
from avhcurate.measures.scores import SCORES
from avhcurate.people.asked import ASKED
from avhcurate.people.grids import CANDIDATES, GRID_CONTROLS, known_members, similar_classes
from avhcurate.people.log import Lease
from avhcurate.people.queues import LAST, draw_rates, read_record
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder

#: Which samples are asked about next: at random, hard ones first, where models disagree, fewest votes first, where
#: votes tell the model of predicted HSF most, varied and uncertain ones, none but those that somebody asks people
#: about, which come first in each, or those whose label one person has decided. All but `UNRECORDED` keep a record, and
#: draw by chance but for `diverse`, whose order is that of `next_labels`.
Queue = Literal["random", "hardest", "disagreement", "fewest", "informative", "diverse", "asked", "decided"]
UNRECORDED = ("fewest", "asked", "decided")


class TaskPool:
    """The samples of a table that annotators can be asked about, by id, and the controls among them.

    `labels` (N,) with -1 for none; `paths` (N,); `readable` (N,): not unreadable or locked; `eligible` (N,): nor
    excluded; `classes`: names by label, as the dataset has them. It does not hold the votes, which own it.
    """

    def __init__(self, votes: Votes, run: RunFolder | None) -> None:
        samples = votes.samples
        self.exclusions = samples.exclusions
        self.classes = votes.classes
        self._run = run
        frame = samples.frame(columns=["path", "excluded", "problem", "hsf", "votes", samples.hardness])
        self.labels = votes.dataset.labels_to_learn().astype(np.int64)
        self.paths = frame["path"].to_numpy(object)
        self.readable = frame["problem"].isna().to_numpy() & ~votes.dataset.locked()
        self.eligible = ~frame["excluded"].to_numpy(bool) & self.readable
        self._hardness = self._hsf = self._votes = None
        if run is not None:
            self._hardness = SCORES[samples.hardness].sign * frame[samples.hardness].to_numpy(float)
        if samples.votes is not None and not samples.simulated:
            self._hsf = frame["hsf"].to_numpy(float)
            self._votes = frame["votes"].fillna(0).to_numpy(float)
        self._known: dict[int, np.ndarray] = {}
        self._drawn: dict[int, np.ndarray] = {}
        self._asked = (-1, np.empty(0, np.int64))
        self._second: tuple[object, SecondPerson | None] = (None, None)

    def asked(self, samples: SampleTable) -> np.ndarray:
        """Return the ids of samples that somebody asks people about and whose label nobody has decided since."""
        entry = samples.entry
        if self._asked[0] != entry:
            query = "SELECT id FROM samples WHERE list_contains(tags, ?) AND NOT list_contains(tags, ?)"
            rows = samples.query(f"{query} AND curated_label IS NOT DISTINCT FROM label", [ASKED, KEPT])
            self._asked = entry, np.array([id for (id,) in rows], np.int64)
        return self._asked[1]

    def second_person(self, decisions: Decisions, votes: Votes) -> SecondPerson:
        """Return the decisions about labels and what others say of them, read anew after each decision and answer."""
        state = decisions.samples.entry, votes.log.columns(votes.dataset.id).version
        kept, second = self._second
        if second is None or kept != state:
            second = second_person(decisions, votes)
            self._second = state, second
        return second

    def ids_of(self, paths: Iterable[str]) -> dict[str, int]:
        """Return ids by path, of the samples that the dataset still has."""
        return {path: self._ids[path] for path in paths if path in self._ids}

    def ids_leased(self, leases: Iterable[Lease]) -> dict[str, int]:
        """Return ids by path, of leased images that the dataset still has."""
        return self.ids_of(lease.path for lease in leases)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {str(path): id for id, path in enumerate(self.paths)}

    def order(self, dataset: DatasetFolder, record: int, votes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return the ids with fewer votes (N,) than are wanted of each (N,), the next one first.

        By the times of a record, see `votes.queues`: samples that it could not ask about, as those of a later import,
        come after all others, in a random order. Without a record (0) those with the fewest votes come first, ties at
        random; half of the known members come last, so that there are controls to the end.
        """
        if record and record not in self._drawn:
            times = read_record(dataset, record)["time"].reindex(self.paths).fillna(np.inf).to_numpy(float)
            self._drawn[record] = np.lexsort([np.random.default_rng(record).permutation(len(times)), times])
        if record:
            ids = self._drawn[record]
        else:
            shuffled = np.random.default_rng(0).permutation(len(votes))
            ids = shuffled[np.lexsort([votes[shuffled], self._kept_back[shuffled]])]
        return ids[(votes < wanted)[ids]]

    def rates(
        self,
        samples: SampleTable,
        dataset: DatasetFolder,
        prediction: PredictionFolder | None,
        queue: Queue,
        score: str,
    ) -> np.ndarray:
        """Return how likely a queue that draws asks about each sample next, (N,); 0 where it cannot ask.

        A random order keeps half of the known members for the end, so that there are controls. Other queues do not:
        these samples would have no chance.
        """
        rates = np.where(self._kept_back, LAST, 1.0)
        if queue != "random":
            hardest = wanted(samples, self._run, dataset, prediction, queue, score)
            rates = draw_rates(np.where(dataset.locked(), np.nan, hardest))
        return np.where(self.eligible, rates, 0.0)

    def known(self, label: int) -> np.ndarray:
        """Return the ids of samples of a class whose label is beyond doubt, judged by votes or a model."""
        if label not in self._known:
            of_class = self.labels == label
            self._known[label] = known_members(
                np.flatnonzero(self.eligible & of_class),
                hsf=self._hsf,
                votes=self._votes,
                hardness=self._hardness,
                needed=GRID_CONTROLS * -(-int(of_class.sum()) // CANDIDATES) + CANDIDATES // 2,
            )
        return self._known[label]

    def known_of_others(self, label: int, *, needed: int) -> np.ndarray:
        """Return known members of the most similar other class, and of the next ones where it has too few.

        By the angles between the run's class weights; without them, other classes in a random order.
        """
        others = np.random.default_rng(label).permutation(np.delete(np.arange(len(self.classes)), label))
        if self._similar is not None:
            others = self._similar[label]
        pool = np.empty(0, np.int64)
        for other in others:
            if len(pool) < needed:
                pool = np.concatenate([pool, self.known(int(other))])
        return pool

    @cached_property
    def checks(self) -> np.ndarray:
        """Ids of known members of every class."""
        present = np.unique(self.labels[self.labels >= 0])
        return np.concatenate([np.empty(0, np.int64), *(self.known(int(label)) for label in present)])

    @cached_property
    def _similar(self) -> np.ndarray | None:
        run = self._run
        number = len(self.classes)
        if run is None or not run.has_class_weights or len(run.class_weights()) < number:
            return None
        return similar_classes(run.class_weights()[:number])

    @cached_property
    def _kept_back(self) -> np.ndarray:
        """Mask (N,) of the known members that are asked about last."""
        last = np.zeros(len(self.labels), bool)
        if len(self.checks) <= len(self.labels) / 2:  # else every sample is a known member
            last[np.random.default_rng(0).permutation(self.checks)[: len(self.checks) // 2]] = True
        return last


def wanted(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    prediction: PredictionFolder | None,
    queue: Queue,
    score: str,
) -> np.ndarray:
    """Return how much a queue wants each sample, (N,), large = first; NaN for unknown."""
    if queue == "hardest":
        if run is None:
            raise CurateError("Hardest first needs a model run. Score the dataset, or choose another queue.")
        return SCORES[score].sign * samples.frame(columns=[score])[score].to_numpy(float)
    if queue == "informative":
        if prediction is None:
            raise CurateError(
                "It is not known where votes teach most.", fix=f"{Run('predict')} first, or choose another queue"
            )
        return prediction.table()["information"].to_numpy(float)
    runs = [other for other in dataset.runs() if other.complete]
    if len(runs) < 2:
        raise CurateError("Models disagree only where two have been run. Score with another, or choose another queue.")
    rows = [pq.read_table(one.scores_today, columns=["id", "predicted"]).to_pandas().set_index("id") for one in runs]
    predicted = [frame["predicted"].reindex(range(samples.size)).fillna(-1).to_numpy(np.int64) for frame in rows]
    return prediction_spread(np.stack(predicted))


def prediction_spread(predicted: ArrayLike) -> np.ndarray:
    """Return the share of pairs of models that predict different labels: predicted (M, N), -1 for none -> (N,).

    NaN where fewer than two predict one.

    >>> prediction_spread([[0, 0, 0], [0, 1, -1], [0, 2, -1]]).tolist()
    [0.0, 1.0, nan]
    """
    labels = np.asarray(predicted)
    valid = labels >= 0
    same = sum(((labels == row) & valid & (row >= 0)).sum(axis=0) for row in labels) - valid.sum(axis=0)
    pairs = valid.sum(axis=0) * (valid.sum(axis=0) - 1)
    return 1 - np.divide(same, pairs, out=np.full(labels.shape[1], np.nan), where=pairs > 0)


_POOLS: WeakKeyDictionary[Votes, TaskPool] = WeakKeyDictionary()
_OPENING = threading.Lock()


def task_pool(votes: Votes, run: RunFolder | None) -> TaskPool:
    """Return the pool of a dataset, made once for a run, and again when samples were excluded or included since."""
    with _OPENING:
        pool = _POOLS.get(votes)
        if pool is None or pool.exclusions != votes.samples.exclusions:
            pool = _POOLS[votes] = TaskPool(votes, run)
        return pool


def seed_of(*parts: str | int) -> int:
    """Return a seed from names and numbers, the same on every machine.

    >>> seed_of(0, "ann") == seed_of(0, "ann") != seed_of(1, "ann")
    True
    """
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=4).digest(), "little")
