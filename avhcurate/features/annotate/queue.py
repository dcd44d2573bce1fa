"""Hands out the tasks of an annotator, single images or a grid: for a limited time, and never beyond the target.

Annotators are not told whether an image is a control, nor what others or a model say about it.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.annotate.setup import LEASE_S, annotator_name, collected, columns_of, required_settings
from avhcurate.features.annotate.task_pool import seed_of, task_pool
from avhcurate.people.asked import PEOPLE
from avhcurate.people.grids import grid_of, is_check
from avhcurate.people.log import Lease, LogTransaction
from avhcurate.people.responses import Design
from avhcurate.workspace.data.runs import RunFolder

#: Expired leases are kept for a day, since their answers may still be welcome.
_KEPT_S = 24 * 3600.0
#: Answers after which an annotator is told how many of them were to controls.
_TOLD_BY = 10


@dataclass(frozen=True)
class GridTask:
    """A task of the design `select`: tick the images that show the class. `ticked`: as it was before a retraction."""

    task: str
    class_name: str
    ids: tuple[int, ...]
    ticked: tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """A task of the design `classify`: which class is this image?"""

    task: str
    id: int


@dataclass(frozen=True)
class CollectionProgress:
    """Progress of a collection; `answers` (and `checks`, those to controls), `tasks` and `left` are one annotator's.

    checks_told: controls among the whole tens of answers, so that it stays hidden which image was one.
    samples: in the collection; done: those with all votes that are wanted; votes: that count; wanted: of all samples;
    annotators: with an answer.
    """

    answers: int
    checks: int
    checks_told: int
    tasks: int
    left: int
    samples: int
    done: int
    votes: int
    wanted: int
    annotators: int

    @property
    def answered(self) -> int:
        """Answers without the controls that are told: those that an annotator may know to be votes."""
        return self.answers - self.checks_told

    @property
    def apart(self) -> str:
        """What is said of the controls while an annotator answers."""
        if not self.checks_told:
            return ""
        return f"checks among the first {self.answers - self.answers % _TOLD_BY:,}, not counted: {self.checks_told:,}"


def next_questions(
    decisions: Decisions, votes: Votes, run: RunFolder | None, annotator: str, *, ahead: int = 5
) -> tuple[Question, ...]:
    """Return the next images of an annotator, up to `ahead`; those handed out before come first.

    New ones join when no more than half of them are left. Empty when nothing is left for the annotator.
    """
    decisions.refresh()
    votes.refresh()  # somebody may have asked people about an image
    queue = TaskQueue(decisions, votes, run, annotator_name(annotator), "classify")
    leases = queue.leases()
    if len(leases) <= ahead // 2 or _run_out(leases):
        leases = queue.more_questions(ahead)
    ids = queue.pool.ids_leased(leases)
    return tuple(Question(lease.task, ids[lease.path]) for lease in leases if lease.path in ids)[:ahead]


def next_grid(decisions: Decisions, votes: Votes, run: RunFolder | None, annotator: str) -> GridTask | None:
    """Return an annotator's open grid, else a new one of the next class; None when nothing is left."""
    decisions.refresh()
    votes.refresh()
    queue = TaskQueue(decisions, votes, run, annotator_name(annotator), "select")
    leases = _first_task(queue.leases())
    if not leases or _run_out(leases):
        leases = queue.another_grid()
    if not leases:
        return None
    ids = queue.pool.ids_leased(leases)
    ticked = tuple(ids[lease.path] for lease in leases if lease.ticked and lease.path in ids)
    return GridTask(leases[0].task, leases[0].class_name, tuple(ids.values()), ticked)


def open_grid(decisions: Decisions, votes: Votes, run: RunFolder | None, annotator: str) -> str:
    """Return the task of an annotator's open grid, "" for none."""
    return next(
        (lease.task for lease in TaskQueue(decisions, votes, run, annotator_name(annotator), "select").leases()), ""
    )


def progress(decisions: Decisions, votes: Votes, run: RunFolder | None, annotator: str = "") -> CollectionProgress:
    """Return the progress of the collection, and of an annotator in it."""
    queue = TaskQueue(decisions, votes, run, annotator)
    scope = queue.scope & (queue.wanted > 0)
    wanted = scope & (queue.votes < queue.wanted)
    rows = queue.columns.rows
    to_controls = queue.answers["control"] != 0
    people = rows["annotator"][rows["standing"] & queue.columns.of_design(queue.design)]
    return CollectionProgress(
        answers=len(queue.answers),
        checks=int(to_controls.sum()),
        checks_told=int(to_controls[: len(to_controls) - len(to_controls) % _TOLD_BY].sum()),
        tasks=queue.tasks_done,
        left=int(np.delete(wanted, queue.seen).sum()),
        samples=int(scope.sum()),
        done=int(scope.sum() - wanted.sum()),
        votes=int(queue.votes[scope].sum()),
        wanted=int(queue.wanted[scope].sum()),
        annotators=len(np.unique(people)),
    )


class TaskQueue:
    """The tasks of one annotator on a dataset, as the log is now; refused for another design than the collection's."""

    def __init__(
        self, decisions: Decisions, votes: Votes, run: RunFolder | None, annotator: str, design: Design | None = None
    ) -> None:
        self._decisions = decisions
        self._votes = votes
        self._run = run
        self.annotator = annotator
        self.columns = columns_of(votes)
        self.settings = required_settings(votes, design)
        self.pool = task_pool(votes, run)
        self.design = self.settings.design

    @cached_property
    def answers(self) -> np.ndarray:
        """The annotator's standing answers of the design."""
        rows = self.columns.rows
        number = self.columns.annotators.number(self.annotator)
        return rows[(rows["annotator"] == number) & rows["standing"] & self.columns.of_design(self.design)]

    @cached_property
    def votes(self) -> np.ndarray:
        """Collected votes that count of each sample, (N,); of grids, those for the sample's own label."""
        return collected(self._votes, self.columns, self.design).votes

    @cached_property
    def seen(self) -> np.ndarray:
        """Ids that the annotator has answered, in grids for their own label, or whose label the annotator decided."""
        ids = self._votes.ids(self.columns)[self.answers["path"]]
        counted = ids >= 0
        if self.design == "select":
            labels = self._votes.class_numbers(self.columns)[self.answers["answer"]]
            counted &= labels == self.pool.labels[ids]
        theirs = self.asked_decisions["id"][self.asked_decisions["who"] == self.annotator]
        return np.union1d(ids[counted], theirs)

    @cached_property
    def asked_decisions(self) -> pd.DataFrame:
        """The decisions that the queue asks a second person about, rows of `SecondPerson`."""
        if self.settings.queue != "decided":
            return pd.DataFrame({"id": [], "who": [], "others": []}).astype({"id": np.int64})
        rows = self.pool.second_person(self._decisions, self._votes).rows
        return rows[self.pool.readable[rows["id"]]]

    @cached_property
    def scope(self) -> np.ndarray:
        """Mask (N,) of the samples that may be asked about: of decisions also those that exclude an image as wrong."""
        scope = self.settings.scope(self.pool).copy()
        scope[self.asked_decisions["id"]] = True
        return scope

    @cached_property
    def asked(self) -> np.ndarray:
        """Ids of the samples that somebody asks people about, while too few have answered."""
        ids = self.pool.asked(self._decisions.samples)
        return ids[self.votes[ids] < PEOPLE]

    @cached_property
    def wanted(self) -> np.ndarray:
        """Votes that are wanted of each sample, (N,)."""
        wanted = np.full(len(self.pool.labels), self.settings.target)
        if self.settings.queue in ("asked", "decided"):
            wanted[:] = 0
            # One answer more where nobody but the person who decided has said anything.
            decisions = self.asked_decisions
            wanted[decisions["id"]] = self.votes[decisions["id"]] + (decisions["others"] == 0)
        asked = self.pool.asked(self._decisions.samples)
        wanted[asked] = np.maximum(wanted[asked], PEOPLE)
        return wanted

    @property
    def tasks_done(self) -> int:
        return int((self.answers["place"] == 0).sum())

    def leases(self) -> list[Lease]:
        """Return the images that the annotator has, expired or not, in order."""
        with self._votes.log.reading(self._votes.dataset.id) as log:
            return log.leases(self.design, self.annotator)

    def _order(self) -> np.ndarray:
        order = self.pool.order(self._votes.dataset, self.settings.record, self.votes, self.wanted)
        order = order[self.scope[order]]
        return order[np.argsort(~np.isin(order, self.asked), kind="stable")]

    @contextmanager
    def _lending(self) -> Iterator[tuple[LogTransaction, "TaskQueue", list[Lease]]]:
        """Begin to hand out tasks; yield the log, the queue as it is now, and the annotator's images with more time."""
        with self._votes.log.transaction(self._votes.present_id(), annotator=self.annotator) as log:
            now = TaskQueue(
                self._decisions, self._votes, self._run, self.annotator, self.design
            )  # others may have answered since
            yield log, now, now._prolonged(log)
            log.forget(time.time() - _KEPT_S)

    def more_questions(self, ahead: int) -> list[Lease]:
        """Return the annotator's images, with more time, and new ones up to `ahead`."""
        order = self._order()
        with self._lending() as (log, now, leases):
            met = np.zeros(len(self.pool.labels), bool)
            met[now.seen] = True
            met[list(self.pool.ids_leased(leases).values())] = True
            need = max(0, ahead - len(leases))
            free = order[now.room(log)[order] & ~met[order]][:need]
            met[free] = True  # what is asked about is not a check
            new = now._with_checks(free.tolist(), met, leases, need)
            log.lend("classify", self.annotator, new)
        return leases + new

    def _with_checks(self, questions: list[int], met: np.ndarray, leases: list[Lease], need: int) -> list[Lease]:
        """Return leases on images, with attention checks that the annotator has not met (N,) mixed in."""
        seed = seed_of(self.annotator)
        pool = self.pool
        turn = max([lease.turn for lease in leases], default=0)
        spare = pool.checks[~met[pool.checks]]
        checks = np.random.default_rng([seed, len(spare)]).permutation(spare).tolist()
        # What was answered and what is out: together the position of the next image in the annotator's sequence.
        first = self.tasks_done + len(leases)
        new: list[Lease] = []
        for position in range(need):
            if not questions:
                break
            control = "none"
            expected = None
            if checks and is_check(first + position, share=self.settings.control_share, seed=seed):
                id = checks.pop()
                control = "attention"
                expected = pool.classes[pool.labels[id]]
            else:
                id = questions.pop(0)
            new.append(
                Lease(
                    task=uuid.uuid4().hex,
                    path=str(pool.paths[id]),
                    control=control,
                    expected=expected,
                    turn=turn + 1 + position,
                    expires=time.time() + LEASE_S,
                )
            )
        return new

    def another_grid(self) -> list[Lease]:
        """Return the annotator's grid with more time, or a new one."""
        order = self._order()
        with self._lending() as (log, now, leases):
            if leases:
                return _first_task(leases)
            grid: list[Lease] = []
            for label in now._classes_in_turn(np.setdiff1d(order, now.seen)):
                grid = now._new_grid(log, label, order[self.pool.labels[order] == label])
                if grid:
                    break
            log.lend("select", self.annotator, grid)
        return grid

    def _new_grid(self, log: LogTransaction, label: int, candidates: np.ndarray) -> list[Lease]:
        pool = self.pool
        settings = self.settings
        name = pool.classes[label]
        # What the annotator has met in grids of the class, controls among them.
        met = self.answers["answer"] == self.columns.classes.number(name)
        ids = self._votes.ids(self.columns)[self.answers["path"][met]]
        seen = np.unique(ids[ids >= 0])
        free = candidates[self.room(log, name)[candidates] & ~np.isin(candidates, seen)][: settings.candidates]
        needed = int((pool.labels[seen] != label).sum()) + settings.controls + settings.candidates - len(free)
        grid = grid_of(
            free,
            pool.known(label),
            pool.known_of_others(label, needed=needed),
            seen=seen,
            size=settings.candidates,
            controls=settings.controls,
            seed=seed_of(self.annotator, name, len(seen)),
        )
        if grid is None:
            return []
        first = Lease(task=uuid.uuid4().hex, path="", class_name=name, expires=time.time() + LEASE_S)
        return [
            replace(first, path=str(pool.paths[id]), place=position, control=str(control))
            for position, (id, control) in enumerate(zip(*grid, strict=True))
        ]

    def _classes_in_turn(self, unseen: np.ndarray) -> list[int]:
        """Return the classes with images for the annotator: first those that somebody asks about, then by their grids,
        the fewest first.
        """
        classes = self.pool.classes
        labels = np.unique(self.pool.labels[unseen])
        grids = self.answers["answer"][self.answers["place"] == 0]
        done = [int((grids == self.columns.classes.number(classes[label])).sum()) for label in labels]
        shuffled = np.random.default_rng(seed_of("classes")).permutation(len(classes))
        asked = np.isin(labels, self.pool.labels[np.intersect1d(self.asked, unseen)])
        return labels[np.lexsort([shuffled[labels], done, ~asked])].tolist()

    def room(self, log: LogTransaction, class_name: str = "") -> np.ndarray:
        """Return a mask (N,) of the samples that others neither have answered nor have now up to the target."""
        votes = self.votes.copy()
        loans = log.on_loan(self.design, class_name, annotator=self.annotator, now=time.time())
        for path, id in self.pool.ids_of(loans).items():
            votes[id] += loans[path]
        return votes < self.wanted

    def still_wanted(self, log: LogTransaction, leases: Sequence[Lease]) -> bool:
        """Return whether a late answer is still of use: there is room for one image of it, or it is a check."""
        questions = [lease for lease in leases if lease.control == "none"]
        ids = list(self.pool.ids_leased(questions).values())
        return not questions or bool(self.room(log, leases[0].class_name)[ids].any())

    def _prolonged(self, log: LogTransaction) -> list[Lease]:
        """Return the images that the annotator has, with more time; release those answered by others."""
        leases = log.leases(self.design, self.annotator)
        ids = self.pool.ids_leased(leases)
        wanted: list[Lease] = []
        for task in dict.fromkeys(lease.task for lease in leases):
            images = [lease for lease in leases if lease.task == task]
            exist = all(lease.path in ids for lease in images)
            if exist and (images[0].expires >= time.time() or self.still_wanted(log, images)):
                wanted += images
            else:
                log.release([task])
        expires = time.time() + LEASE_S
        log.prolong({lease.task for lease in wanted}, expires)
        return [replace(lease, expires=expires) for lease in wanted]


def _run_out(leases: Sequence[Lease]) -> bool:
    """Return whether less than half of the time is left for any of them."""
    return any(lease.expires < time.time() + LEASE_S / 2 for lease in leases)


def _first_task(leases: Sequence[Lease]) -> list[Lease]:
    return [lease for lease in leases if lease.task == leases[0].task]
