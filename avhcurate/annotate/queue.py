"""Hands out the tasks of an annotator, single images or a grid: for a limited time, and never beyond the target.

Annotators are not told whether an image is a control, nor what others or a model say of it.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from avhcurate.annotate.setup import annotator_name, columns_of, required_settings
from avhcurate.annotate.task_pool import seed_of, task_pool
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes import grids
from avhcurate.votes.hsf_source import Key, SourceChoice, left_out
from avhcurate.votes.log import Lease, LogTransaction
from avhcurate.votes.responses import Design

#: Leases that ran out are kept for so long, since their answers may still be welcome.
_KEPT_S = 24 * 3600.0


@dataclass(frozen=True)
class GridTask:
    """A task of the design `select`: tick the images that show the class. `ticked`: as it was before a retraction."""

    task: str
    label: int
    class_name: str
    definition: str
    ids: tuple[int, ...]
    ticked: tuple[int, ...]
    expires: datetime


@dataclass(frozen=True)
class Question:
    """A task of the design `classify`: which class is this image?"""

    task: str
    id: int
    expires: datetime


@dataclass(frozen=True)
class CollectionProgress:
    """Progress of a collection; `answers` (controls included), `tasks` and `left` are one annotator's.

    samples: in the collection; done: those with the target or more; votes: that count; wanted: samples times target.
    """

    answers: int
    tasks: int
    left: int
    samples: int
    done: int
    votes: int
    wanted: int
    annotators: int


def next_questions(table: DatasetTable, annotator: str, *, ahead: int = 5) -> tuple[Question, ...]:
    """The next images of an annotator, up to `ahead`; those handed out before come first.

    New ones join when no more than half of them are left. Empty when nothing is left for the annotator.
    """
    queue = TaskQueue(table, annotator_name(annotator), "classify")
    leases = queue.leases()
    if len(leases) <= ahead // 2 or queue.running_out(leases):
        leases = queue.more_questions(ahead)
    ids = queue.pool.ids_of([lease.path for lease in leases])
    return tuple(question_of(lease, ids) for lease in leases if lease.path in ids)[:ahead]


def next_grid(table: DatasetTable, annotator: str, *, label: int | None = None) -> GridTask | None:
    """An annotator's open grid, else a new one of class `label` (None: of the classes in turn); None: nothing is left.

    A grid of another class is given up when one is asked for.
    """
    queue = TaskQueue(table, annotator_name(annotator), "select")
    leases = _first_task(queue.leases())
    wanted = None if label is None else queue.class_name(label)
    if not leases or (wanted is not None and leases[0].class_name != wanted) or queue.running_out(leases):
        leases = queue.another_grid(wanted)
    return queue.grid_of(leases) if leases else None


def progress(table: DatasetTable, annotator: str = "") -> CollectionProgress:
    """Progress of the collection, and of an annotator in it."""
    queue = TaskQueue(table, annotator)
    scope, target = queue.settings.scope(queue.pool), queue.settings.target
    left = scope & (queue.votes < target)
    left[queue.seen] = False
    with table.response_log.reading(table.dataset.name) as log:
        left[list(queue.pool.ids_of(log.aside(queue.design, annotator)).values())] = False
    return CollectionProgress(
        answers=len(queue.answers),
        tasks=queue.tasks_done,
        left=int(left.sum()),
        samples=int(scope.sum()),
        done=int((scope & (queue.votes >= target)).sum()),
        votes=int(queue.votes[scope].sum()),
        wanted=int(scope.sum()) * target,
        annotators=int(np.count_nonzero(np.bincount(queue.rows["annotator"]))),
    )


class TaskQueue:
    """The tasks of one annotator on a dataset; refused where votes are collected by another design.

    `rows`: standing answers of the design; `answers`: the annotator's among them.
    """

    def __init__(self, table: DatasetTable, annotator: str, design: Design | None = None) -> None:
        self.table, self.annotator, self.columns = table, annotator, columns_of(table)
        self.settings = required_settings(table, self.columns, design)
        self.design, self.pool = self.settings.design, task_pool(table)
        rows = self.columns.rows
        self.rows = rows[rows["standing"] & (rows["classify"] == (self.design == "classify"))]
        self.answers = self.rows[self.rows["annotator"] == self.columns.annotators.number(annotator)]

    @cached_property
    def excluded(self) -> np.ndarray:
        """Numbers of the annotators who do not count."""
        control_filter = SourceChoice.of(self.columns).control_filter
        return left_out(self.columns, self.design == "classify", control_filter)

    @cached_property
    def votes(self) -> np.ndarray:
        """Collected votes that count of each sample, (N,); of grids, those for the sample's own label."""
        key: Key = "k-way" if self.design == "classify" else "tick"
        return self.table.counter.collected(self.columns, key, self.excluded).votes

    @cached_property
    def seen(self) -> np.ndarray:
        """Ids that the annotator has answered; in grids, for their own label."""
        ids = self.table.counter.ids(self.columns)[self.answers["path"]]
        counted = ids >= 0
        if self.design == "select":
            counted &= self.table.counter.class_numbers(self.columns)[self.answers["answer"]] == self.pool.labels[ids]
        return np.unique(ids[counted])

    @property
    def tasks_done(self) -> int:
        return int((self.answers["place"] == 0).sum())

    def leases(self) -> list[Lease]:
        """Images that the annotator holds, expired or not, in order."""
        with self.table.response_log.reading(self.table.dataset.name) as log:
            return log.leases(self.design, self.annotator)

    def running_out(self, leases: Sequence[Lease]) -> bool:
        """Whether less than half of the time is left for any of them."""
        return any(lease.expires < time.time() + self.settings.lease_seconds / 2 for lease in leases)

    def more_questions(self, ahead: int) -> list[Lease]:
        """The annotator's images, with more time, and new ones up to `ahead`."""
        order, held = self._order(), np.zeros(len(self.pool.labels), bool)
        held[self.seen] = True
        with self.table.response_log.transaction(self.table.present_name(), annotator=self.annotator) as log:
            leases = self._kept(log)
            paths = [lease.path for lease in leases] + log.aside("classify", self.annotator)
            held[list(self.pool.ids_of(paths).values())] = True
            need = max(0, ahead - len(leases))
            free = self._with_room(log, order[~held[order]], need) if need else []
            held[free] = True  # what is asked about is no check
            new = self._with_checks(free, held, leases, need)
            log.lend("classify", self.annotator, new)
            log.forget(time.time() - _KEPT_S)
        return leases + new

    def _with_checks(self, free: list[int], held: np.ndarray, leases: list[Lease], need: int) -> list[Lease]:
        """Leases on images, with attention checks that the annotator has not met mixed in."""
        seed, share, pool = seed_of(self.settings.seed, self.annotator), self.settings.control_share, self.pool
        spare = pool.checks[~held[pool.checks]] if share else np.empty(0, np.int64)
        checks, questions = iter(np.random.default_rng([seed, len(spare)]).permutation(spare)), iter(free)
        # What was answered and what is out: together the place of the next image in the annotator's sequence.
        done = self.tasks_done + len(leases)
        turn, expires = max([lease.turn for lease in leases], default=0), self._end()
        new: list[Lease] = []
        for position in range(done, done + need):
            id = next(checks, None) if grids.is_check(position, share=share, seed=seed) else None
            control = "none" if id is None else "attention"
            if id is None and (id := next(questions, None)) is None:
                break
            expected = pool.classes[pool.labels[id]] if control == "attention" else None
            turn += 1
            new.append(Lease(uuid.uuid4().hex, 0, pool.paths[id], "", control, expected, None, turn, expires))
        while new and new[-1].control == "attention" and len(new) < need:  # nothing is left to ask: no check either
            new.pop()
        return new

    def another_grid(self, wanted: str | None) -> list[Lease]:
        """The annotator's grid with more time, or a new one; of the class that is wanted, if one is."""
        order = self._order()
        order = order[self.settings.scope(self.pool)[order]]
        unseen = np.setdiff1d(order, self.seen)
        with self.table.response_log.transaction(self.table.present_name(), annotator=self.annotator) as log:
            leases = _first_task(self._kept(log))
            if leases and (wanted is None or leases[0].class_name == wanted):
                return leases
            log.release({lease.task for lease in leases})
            grid: list[Lease] = []
            for label in self._classes_in_turn(unseen, wanted):
                if grid := self._new_grid(log, label, order[self.pool.labels[order] == label]):
                    break
            log.lend("select", self.annotator, grid)
            log.forget(time.time() - _KEPT_S)
        return grid

    def _new_grid(self, log: LogTransaction, label: int, candidates: np.ndarray) -> list[Lease]:
        pool, settings, name = self.pool, self.settings, self.pool.classes[label]
        seen = self._seen_for(name)
        free = self._with_room(log, candidates[~np.isin(candidates, seen)], settings.candidates, name)
        needed = int((pool.labels[seen] != label).sum()) + settings.negatives + settings.candidates - len(free)
        grid = grids.next_grid(
            label,
            free,
            pool.known(label),
            pool.known_of_others(label, needed=needed, seed=settings.seed),
            seen=seen,
            design=settings.grid,
            seed=seed_of(settings.seed, self.annotator, name, len(seen)),
        )
        if grid is None:
            return []
        task, expires = uuid.uuid4().hex, self._end()
        return [
            Lease(task, place, pool.paths[id], name, control, None, None, 0, expires)
            for place, (id, control) in enumerate(zip(grid.rows.tolist(), grid.control.tolist(), strict=True))
        ]

    def _classes_in_turn(self, unseen: np.ndarray, wanted: str | None) -> list[int]:
        """Classes with images for the annotator: those of which they did the fewest grids first, else by the seed."""
        classes, vocabulary = self.pool.classes, self.columns.classes
        labels = np.unique(self.pool.labels[unseen])
        if wanted is not None:
            return [label for label in labels.tolist() if classes[label] == wanted]
        done = np.bincount(self.answers["answer"][self.answers["place"] == 0], minlength=len(vocabulary.texts) + 1)
        grids_done = [done[vocabulary.number(classes[label])] for label in labels]
        shuffled = np.random.default_rng(seed_of(self.settings.seed, "classes")).permutation(len(classes))
        return labels[np.lexsort([shuffled[labels], grids_done])].tolist()

    def _seen_for(self, class_name: str) -> np.ndarray:
        """Ids that the annotator has met in grids of a class, controls among them."""
        met = self.answers["answer"] == self.columns.classes.number(class_name)
        ids = self.table.counter.ids(self.columns)[self.answers["path"][met]]
        return np.unique(ids[ids >= 0])

    def _order(self) -> np.ndarray:
        return self.settings.order(self.pool, self.votes)

    def _end(self) -> float:
        return time.time() + self.settings.lease_seconds

    def _with_room(self, log: LogTransaction, ids: np.ndarray, number: int, class_name: str = "") -> list[int]:
        """The first so many ids that the annotator has not answered, nor others up to the target, as the log says."""
        free: list[int] = []
        step = max(64, 2 * number)
        for start in range(0, len(ids), step):
            paths = {str(self.pool.paths[id]): int(id) for id in ids[start : start + step]}
            done = log.answered(self.design, self.annotator, list(paths), class_name)
            missing = self._missing(log, self.design, [path for path in paths if path not in done], class_name)
            free += [paths[path] for path in missing]
            if len(free) >= number:
                break
        return free[:number]

    def _missing(self, log: LogTransaction, design: Design, paths: list[str], class_name: str) -> list[str]:
        """Those of some samples that others neither have answered nor hold up to the target."""
        names = [self.columns.annotators.texts[number] for number in self.excluded]
        votes = log.votes(design, paths, class_name, without=names)
        loans = log.on_loan(design, class_name, annotator=self.annotator, now=time.time())
        return [path for path in paths if votes.get(path, 0) + loans.get(path, 0) < self.settings.target]

    def _kept(self, log: LogTransaction) -> list[Lease]:
        """Images that the annotator holds, given more time; those answered by others are released."""
        leases = log.leases(self.design, self.annotator)
        ids = self.pool.ids_of([lease.path for lease in leases])
        kept: list[Lease] = []
        for task in dict.fromkeys(lease.task for lease in leases):
            images = [lease for lease in leases if lease.task == task]
            exist = all(lease.path in ids for lease in images)
            if exist and (images[0].expires >= time.time() or self.still_wanted(log, images)):
                kept += images
            else:
                log.release([task])
        expires = self._end()
        log.prolong({lease.task for lease in kept}, expires)
        return [replace(lease, expires=expires) for lease in kept]

    def still_wanted(self, log: LogTransaction, leases: Sequence[Lease]) -> bool:
        """Whether an answer that comes late is still of use: there is room for one image of it, or it is a check."""
        asked = [lease for lease in leases if lease.control == "none"]
        if not asked:
            return True
        name = asked[0].class_name
        return bool(self._missing(log, "select" if name else "classify", [lease.path for lease in asked], name))

    def class_name(self, label: int) -> str:
        """The name of a class that the collection asks about."""
        classes = self.pool.classes
        if not 0 <= label < len(classes) or (self.settings.classes and label not in self.settings.classes):
            raise CurateError(f"the collection does not ask about class {label}: choose one of its classes")
        return classes[label]

    def grid_of(self, leases: Sequence[Lease]) -> GridTask:
        """A grid as its annotator may see it."""
        ids, name, classes = self.pool.ids_of([lease.path for lease in leases]), leases[0].class_name, self.pool.classes
        return GridTask(
            leases[0].task,
            classes.index(name) if name in classes else -1,
            name,
            dict(self.settings.definitions).get(name, ""),
            tuple(ids[lease.path] for lease in leases if lease.path in ids),
            tuple(ids[lease.path] for lease in leases if lease.path in ids and lease.ticked),
            datetime.fromtimestamp(leases[0].expires, UTC),
        )


def question_of(lease: Lease, ids: dict[str, int]) -> Question:
    """A single image as its annotator may see it."""
    return Question(lease.task, ids[lease.path], datetime.fromtimestamp(lease.expires, UTC))


def _first_task(leases: Sequence[Lease]) -> list[Lease]:
    return [lease for lease in leases if lease.task == leases[0].task]
