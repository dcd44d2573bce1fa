"""Collects votes: hands out what is asked next, takes answers, judges annotators, and chooses what HSF is made of.

Two designs. `select`: which of these images show the class? `classify`: which class is this image? What an image is
there for, and what anybody else or a model thinks of it, never leaves this module before the answer is in.
"""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import pandas as pd

from avhcurate.curation import tasks
from avhcurate.curation.annotators import ExclusionRule, annotator_table, exclusions
from avhcurate.curation.queues import QUEUES as _QUEUES
from avhcurate.curation.queues import Queue
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.services.asking import Order, Subjects, seed_of, subjects
from avhcurate.services.tables import DatasetTable
from avhcurate.services.tallying import CHOICE, SOURCES, Choice, Key, Source, choice, control_hits, left_out, written
from avhcurate.storage.ballots import DESIGNS, Ballot, Design, Desk, Lease
from avhcurate.storage.ledger import Ledger, Rows

QUEUES: dict[Queue, str] = {
    "random": "In a random order",
    "hardest": "Hardest first, by a score",
    "disagreement": "Where the models disagree most",
    "fewest": "Fewest votes first",
}
#: A reaction below is no answer to the picture: nerves and muscles alone take as long (a false start on the track).
FASTEST_MS = 100
#: The same for a grid, a tile: pictures shown for less than about 20 ms each are not recognised (Potter et al. 2014).
FASTEST_TILE_MS = 20
_LONGEST_MS = 24 * 3_600_000
_LONGEST_NAME = 60
#: Leases that ran out are kept for so long, since their answers may still be welcome.
_KEPT_S = 24 * 3600.0
_SETTINGS = "collection"
#: From which the task of an image that is asked about anew follows.
_AGAIN = uuid.UUID("6f1d2f3e-8a54-4c61-9d0b-2f6c5a1e7b90")


@dataclass(frozen=True)
class Settings:
    """How votes are collected on a dataset.

    target: votes wanted a sample. control_share: share of attention checks among single images. candidates, positives,
    negatives: tiles of a grid. classes: asked about in grids, () for all. definitions: (class name, what it means).
    rule: when to tick an image, "" for the page's own words.
    """

    design: Design = "select"
    queue: Queue = "random"
    score: str = "avh"
    target: int = 10
    control_share: float = 0.1
    candidates: int = 42
    positives: int = 3
    negatives: int = 3
    classes: tuple[int, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    rule: str = ""
    seed: int = 0
    lease_minutes: float = 10.0

    @property
    def order(self) -> Order:
        return Order(self.queue, self.score, self.seed)

    @property
    def grid(self) -> tasks.GridDesign:
        return tasks.GridDesign(self.candidates, self.positives, self.negatives)


@dataclass(frozen=True)
class Grid:
    """A task of the design `select`: tick the images that show the class. `ticked`: how it was before a take-back."""

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
class Reply:
    """Whether an answer is on the disk, and if not why: `kind` for the program, `reason` for people.

    stale: not the image that was asked about. fast: nobody can be so quick. answered: already, and otherwise. taken: it
    came after the time was up, and others have answered meanwhile.
    """

    accepted: bool
    reason: str = ""
    kind: Literal["", "stale", "fast", "answered", "taken"] = ""


@dataclass(frozen=True)
class Progress:
    """How far a collection is; `answers` (controls included), `tasks` and `left` are one annotator's.

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


_ACCEPTED = Reply(True)
_STALE = Reply(False, "Another image was on screen than the one asked about: this answer was not taken.", "stale")
_FAST = Reply(False, "That was faster than anybody can look: please look and answer again.", "fast")
_ANSWERED = Reply(False, "This was answered already, in another window or with another key.", "answered")
_TAKEN = Reply(False, "The time for it was up, and others have answered meanwhile: here is another.", "taken")


def settings(table: DatasetTable) -> Settings | None:
    """How votes are collected, as was last written; None before anybody did."""
    return _settings(_ledger(table))


def configure(table: DatasetTable, settings: Settings, *, who: str) -> Settings:
    """Writes how votes are collected from now on; what cannot be is refused. Answers so far stay."""
    _check(table, settings)
    with table.box.desk(table.dataset.name) as desk:
        desk.choose(_SETTINGS, json.dumps(asdict(settings)), who=_name(who), at=time.time())
    return settings


def next_questions(table: DatasetTable, annotator: str, *, ahead: int = 5) -> tuple[Question, ...]:
    """What an annotator is asked now and after that, up to `ahead` images; those handed out before come first.

    New ones join when no more than half of them are left. Empty when nothing is left for the annotator.
    """
    annotator, ledger = _name(annotator), _ledger(table)
    known, now = _of_design(ledger, "classify"), time.time()
    own = table.box.leases(table.dataset.name, "classify", annotator)
    if len(own) <= ahead // 2 or _running_out(own, known, now):
        own = _more_questions(table, ledger, known, annotator, ahead)
    ids = _ids(table, [lease.path for lease in own])
    return tuple(_question(lease, ids) for lease in own if lease.path in ids)[:ahead]


def answer(
    table: DatasetTable, annotator: str, task: str, id: int, label: int, *, nonce: str, reaction_ms: int
) -> Reply:
    """Takes the answer `label` to the image `id` that was on screen; it is on the disk when this says accepted.

    The same `nonce` again is acknowledged again and counts once.
    """
    classes = table.tally.classes
    if not 0 <= label < len(classes):
        raise CurateError(f"there is no class {label}: labels run from 0 to {len(classes) - 1}")
    annotator, path = _name(annotator), _path(table, id)
    with table.box.desk(table.dataset.name) as desk:
        leases, refused = _open_task(desk, annotator, task, nonce)
        if refused is not None:
            return refused
        (lease,) = leases
        if lease.path != path or lease.class_name:
            return _STALE
        if reaction_ms < FASTEST_MS:
            return _FAST
        if lease.expires < time.time() and not _still_wanted(table, desk, "classify", annotator, leases):
            desk.release([task])
            return _TAKEN
        ballot = Ballot(0, lease.path, classes[label], None, lease.control, lease.expected)
        _cast(desk, "classify", annotator, task, [ballot], nonce, reaction_ms)
    return _ACCEPTED


def next_grid(table: DatasetTable, annotator: str, *, label: int | None = None) -> Grid | None:
    """An annotator's open grid, else a new one of class `label` (None: of the classes in turn); None: nothing is left.

    A grid of another class is given up when one is asked for.
    """
    annotator, ledger = _name(annotator), _ledger(table)
    known, now = _of_design(ledger, "select"), time.time()
    own = _first_task(table.box.leases(table.dataset.name, "select", annotator))
    wanted = None if label is None else _class_name(table, known, label)
    if not own or (wanted is not None and own[0].class_name != wanted) or _running_out(own, known, now):
        own = _another_grid(table, ledger, known, annotator, wanted)
    return _grid(table, known, own) if own else None


def submit_grid(
    table: DatasetTable,
    annotator: str,
    task: str,
    ids: Sequence[int],
    ticked: Sequence[int],
    *,
    nonce: str,
    reaction_ms: int,
) -> Reply:
    """Takes a whole grid or nothing: `ids` were on screen, and `ticked` among them; otherwise as `answer`."""
    if not set(ticked) <= set(ids):
        raise CurateError("images were ticked that were not on screen: reload the page")
    annotator, shown = _name(annotator), dict(zip([_path(table, id) for id in ids], ids, strict=True))
    with table.box.desk(table.dataset.name) as desk:
        leases, refused = _open_task(desk, annotator, task, nonce)
        if refused is not None:
            return refused
        if {lease.path for lease in leases} != set(shown) or not leases[0].class_name:
            return _STALE
        if reaction_ms < FASTEST_TILE_MS * len(leases):
            return _FAST
        if leases[0].expires < time.time() and not _still_wanted(table, desk, "select", annotator, leases):
            desk.release([task])
            return _TAKEN
        chosen = set(ticked)
        ballots = [
            Ballot(tile.place, tile.path, tile.class_name, shown[tile.path] in chosen, tile.control, tile.expected)
            for tile in leases
        ]
        _cast(desk, "select", annotator, task, ballots, nonce, reaction_ms)
    return _ACCEPTED


def take_back(table: DatasetTable, annotator: str, *, of: str = "") -> Question | Grid | None:
    """Takes back an annotator's newest answer that stands, and asks the same anew, before all else; None: none stands.

    of: the nonce of the answer that is meant. Asked for again, nothing more is taken back, and the same task comes
    again while it is open; None where no answer has that nonce, or the task is answered again.
    """
    annotator, known, now = _name(annotator), _collecting(_ledger(table)), time.time()
    design = known.design
    with table.box.desk(table.dataset.name) as desk:
        old = desk.answered_with(design, annotator, of) if of else desk.newest(design, annotator)
        if old is None:
            return None
        task = uuid.uuid5(_AGAIN, old).hex
        if desk.stands(old):
            desk.take_back(old, at=now)
            turn = min([lease.turn for lease in desk.leases(design, annotator)], default=0) - 1
            again = [_lease_of(ballot, task, turn, now + _lease_s(known)) for ballot in desk.answers(old)]
            desk.lend(design, annotator, again)
        else:
            again = desk.task(task, annotator)
    ids = _ids(table, [lease.path for lease in again])
    if not ids:
        return None
    return _grid(table, known, again) if design == "select" else _question(again[0], ids)


def skip(table: DatasetTable, annotator: str, task: str) -> None:
    """Gives up a task whose picture cannot be seen: the annotator is not asked about that image again."""
    annotator = _name(annotator)
    with table.box.desk(table.dataset.name) as desk:
        leases = desk.task(task, annotator)
        if leases and leases[0].class_name:
            desk.release([task])
        elif leases:
            desk.set_aside(task)


def progress(table: DatasetTable, annotator: str = "") -> Progress:
    """How far the collection is, and what an annotator has done and can still do."""
    ledger = _ledger(table)
    known, asked = _collecting(ledger), subjects(table)
    rows = _standing(ledger, known.design)
    own = rows[rows["annotator"] == ledger.annotators.number(annotator)]
    scope, votes = _scope(asked, known), _votes(table, ledger, known.design)
    open_ = scope & (votes < known.target)
    open_[_seen(table, ledger, known.design, annotator, asked)] = False
    aside = table.box.aside(table.dataset.name, known.design, annotator)
    open_[list(_ids(table, aside).values())] = False
    return Progress(
        answers=len(own),
        tasks=int((own["place"] == 0).sum()),
        left=int(open_.sum()),
        samples=int(scope.sum()),
        done=int((scope & (votes >= known.target)).sum()),
        votes=int(votes[scope].sum()),
        wanted=int(scope.sum()) * known.target,
        annotators=int(np.count_nonzero(np.bincount(rows["annotator"]))),
    )


def ballots(
    table: DatasetTable, *, design: Design | None = None, standing: bool = True, controls: bool = False
) -> pd.DataFrame:
    """Answers as `curation.ballots` describes them, oldest first, with `id`, `label` (class index of the answer) and
    `excluded` (left out by hand or rule) besides; id and label are -1 where the dataset has no such sample or class.

    standing: without those taken back. controls: those too that are no votes. `at` is in UTC.
    """
    ledger = _ledger(table)
    rows = ledger.rows
    wanted = rows["standing"] | (not standing)
    if design is not None:
        wanted = wanted & (rows["classify"] == (design == "classify"))
    if not controls:
        wanted = wanted & (rows["control"] == 0)
    task = np.cumsum(rows["place"] == 0)[wanted]
    rows = rows[wanted]
    out = [np.isin(rows["annotator"], _out(ledger, name)) for name in DESIGNS]
    answers = _texts(ledger.classes.texts, rows["answer"])
    return pd.DataFrame(
        {
            "at": pd.to_datetime(rows["at"], unit="s", utc=True),
            "annotator": _texts(ledger.annotators.texts, rows["annotator"]),
            "id": table.tally.places(ledger)[rows["path"]],
            "path": _texts(ledger.paths.texts, rows["path"]),
            "design": np.where(rows["classify"], "classify", "select"),
            "answer": answers,
            "label": table.tally.class_numbers(ledger)[rows["answer"]],
            "selected": pd.Series(np.array([False, True, None], object)[rows["selected"]]),
            "control": _texts(list(tasks.CONTROLS), rows["control"]),
            "expected": _texts(ledger.classes.texts, rows["expected"]),
            "reaction_ms": rows["reaction_ms"],
            "task": task,
            "excluded": np.where(rows["classify"], out[DESIGNS.index("classify")], out[DESIGNS.index("select")]),
        }
    )


def annotators(table: DatasetTable) -> pd.DataFrame:
    """One row an annotator of the collection: the columns of `curation.annotators.annotator_table`, and
    `tasks, first, last, excluded, why, by`; `by` is "" or "rule" or "hand: NAME".
    """
    ledger = _ledger(table)
    design = _collecting(ledger).design
    answers = ballots(table, design=design, controls=True)
    found = annotator_table(answers)
    groups = answers.groupby("annotator")
    found = found.merge(
        groups.agg(tasks=("task", "nunique"), first=("at", "min"), last=("at", "max")).reset_index(), on="annotator"
    )
    out = {ledger.annotators.texts[number] for number in _out(ledger, design)}
    judged = [_why(ledger, name, name in out, design) for name in found["annotator"]]
    return found.assign(
        excluded=[name in out for name in found["annotator"]],
        why=[why for why, _ in judged],
        by=[by for _, by in judged],
    )


def exclude(table: DatasetTable, annotator: str, *, why: str, who: str) -> None:
    """Lets an annotator's answers count no more; they stay in the log."""
    _rule(table, annotator, "exclude", why, who)


def include(table: DatasetTable, annotator: str, *, who: str, why: str = "") -> None:
    """Lets an annotator's answers count, whatever a rule says."""
    _rule(table, annotator, "include", why, who)


def apply_rule(table: DatasetTable, rule: ExclusionRule, *, who: str) -> pd.DataFrame:
    """Excludes whom a rule leaves out today, unless somebody was included by hand: `annotator, reason`."""
    found = exclusions(annotators(table), rule)
    ruled = _ledger(table).rulings
    found = found[[name not in ruled for name in found["annotator"]]].reset_index(drop=True)
    for name, reason in zip(found["annotator"], found["reason"], strict=True):
        _rule(table, name, "exclude", reason, f"{who}, by rule")
    return found


def withdraw(table: DatasetTable, annotator: str) -> int:
    """Removes whatever bears an annotator's name on this dataset, for good; returns how many answers went."""
    removed = table.box.withdraw(table.dataset.name, _name(annotator), at=time.time())
    table.refresh()
    return removed


def rulings(table: DatasetTable) -> pd.DataFrame:
    """Who was excluded or included, newest first: `at, annotator, action, why, who`."""
    found = pd.DataFrame(table.box.rulings(table.dataset.name), columns=["at", "annotator", "action", "why", "who"])
    return found.assign(at=pd.to_datetime(found["at"], unit="s", utc=True))


def source(table: DatasetTable) -> Source:
    """What HSF is made of now."""
    table.refresh()
    return table.tally.source


def sources(table: DatasetTable) -> dict[str, int]:
    """What HSF could be made of, and of how many votes: keys of `SOURCES` without `auto`."""
    return table.tally.sources()


def choose_source(
    table: DatasetTable, *, chosen: str = "auto", control_filter: float | None = None, who: str
) -> Source:
    """Writes what HSF is made of from now on, for everybody.

    control_filter: annotators with a smaller share of right answers to controls do not count; None for no limit.
    """
    if chosen not in SOURCES:
        raise CurateError(f"HSF cannot be made of {chosen!r}: choose {', '.join(SOURCES)}")
    ExclusionRule(control_accuracy=control_filter)
    with table.box.desk(table.dataset.name) as desk:
        desk.choose(CHOICE, written(Choice(chosen, control_filter)), who=_name(who), at=time.time())
    return source(table)


def _more_questions(table: DatasetTable, ledger: Ledger, known: Settings, annotator: str, ahead: int) -> list[Lease]:
    """The annotator's images, with more time, and as many new ones as there is need of."""
    asked = subjects(table)
    votes = _votes(table, ledger, "classify")
    seen = _seen(table, ledger, "classify", annotator, asked)
    order = asked.order(known.order, votes, known.target)
    with table.box.desk(table.dataset.name) as desk:
        own = _kept(table, desk, known, annotator)
        held = np.zeros(len(asked.labels), bool)
        held[seen] = True
        out = [lease.path for lease in own] + desk.aside("classify", annotator)
        held[list(_ids(table, out).values())] = True
        need = ahead - len(own)
        free = _with_room(table, desk, known, annotator, order[~held[order]], need) if need > 0 else []
        held[free] = True  # what is asked about is no check
        # What was answered and what is out: together the place of the next image in the annotator's sequence.
        done = _tasks_of(ledger, "classify", annotator) + len(own)
        seed = seed_of(known.seed, annotator)
        fresh, spare = iter(free), iter(_spare_checks(asked, held, known, seed))
        turn, expires = max([lease.turn for lease in own], default=0), time.time() + _lease_s(known)
        new: list[Lease] = []
        for position in range(done, done + max(0, need)):
            check = tasks.is_check(position, share=known.control_share, seed=seed)
            id = next(spare, None) if check else None
            control = "none" if id is None else "attention"
            if id is None and (id := next(fresh, None)) is None:
                break
            expected = asked.classes[asked.labels[id]] if control == "attention" else None
            turn += 1
            new.append(Lease(uuid.uuid4().hex, 0, asked.paths[id], "", control, expected, None, turn, expires))
        while new and new[-1].control == "attention" and len(new) < need:  # nothing is left to ask: no check either
            new.pop()
        desk.lend("classify", annotator, new)
        desk.forget(time.time() - _KEPT_S)
    return own + new


def _another_grid(
    table: DatasetTable, ledger: Ledger, known: Settings, annotator: str, wanted: str | None
) -> list[Lease]:
    """The annotator's grid with more time, or a new one; of the class that is wanted, if one is."""
    asked = subjects(table)
    votes = _votes(table, ledger, "select")
    order = asked.order(known.order, votes, known.target)
    order = order[_scope(asked, known)[order]]
    seen = _seen(table, ledger, "select", annotator, asked)
    open_ = np.setdiff1d(order, seen)
    with table.box.desk(table.dataset.name) as desk:
        own = _first_task(_kept(table, desk, known, annotator))
        if own and (wanted is None or own[0].class_name == wanted):
            return own
        desk.release({lease.task for lease in own})
        grid: list[Lease] = []
        for label in _classes_in_turn(asked, ledger, known, annotator, open_, wanted):
            candidates = order[asked.labels[order] == label]
            if grid := _new_grid(table, desk, ledger, known, annotator, label, candidates):
                break
        desk.lend("select", annotator, grid)
        desk.forget(time.time() - _KEPT_S)
    return grid


def _new_grid(
    table: DatasetTable,
    desk: Desk,
    ledger: Ledger,
    known: Settings,
    annotator: str,
    label: int,
    candidates: np.ndarray,
) -> list[Lease]:
    asked, name = subjects(table), table.tally.classes[label]
    seen = _seen_for(table, ledger, annotator, name)
    candidates = candidates[~np.isin(candidates, seen)]
    free = _with_room(table, desk, known, annotator, candidates, known.candidates, name)
    padding = known.candidates - len(free)
    needed = int((asked.labels[seen] != label).sum()) + known.negatives + padding
    seed = seed_of(known.seed, annotator, name, len(seen))
    grid = tasks.next_grid(
        label,
        free,
        asked.known(label),
        asked.known_of_others(label, needed=needed, seed=known.seed),
        seen=seen,
        design=known.grid,
        seed=seed,
    )
    if grid is None:
        return []
    task, expires = uuid.uuid4().hex, time.time() + _lease_s(known)
    tiles = zip(grid.rows.tolist(), grid.control.tolist(), strict=True)
    return [
        Lease(task, place, asked.paths[id], name, control, None, None, 0, expires)
        for place, (id, control) in enumerate(tiles)
    ]


def _classes_in_turn(
    asked: Subjects, ledger: Ledger, known: Settings, annotator: str, open_: np.ndarray, wanted: str | None
) -> list[int]:
    """Classes with images for the annotator: those of which they did the fewest grids first, else by the seed."""
    labels = np.unique(asked.labels[open_])
    if wanted is not None:
        return [label for label in labels.tolist() if asked.classes[label] == wanted]
    rows = _standing(ledger, "select")
    mine = rows[(rows["annotator"] == ledger.annotators.number(annotator)) & (rows["place"] == 0)]
    done = np.bincount(mine["answer"], minlength=len(ledger.classes.texts) + 1)
    grids = [done[ledger.classes.number(asked.classes[label])] for label in labels]
    shuffled = np.random.default_rng(seed_of(known.seed, "classes")).permutation(len(asked.classes))
    return labels[np.lexsort([shuffled[labels], grids])].tolist()


def _with_room(
    table: DatasetTable,
    desk: Desk,
    known: Settings,
    annotator: str,
    ids: np.ndarray,
    number: int,
    class_name: str = "",
) -> list[int]:
    """The first so many ids that others neither have answered nor hold up to the target, as the database says now."""
    asked, out = subjects(table), _names_out(table, known.design)
    loans = desk.on_loan(known.design, class_name, annotator=annotator, now=time.time())
    found: list[int] = []
    step = max(64, 2 * number)
    for start in range(0, len(ids), step):
        paths = {str(asked.paths[id]): int(id) for id in ids[start : start + step]}
        votes = desk.votes(known.design, list(paths), class_name, without=out)
        done = desk.answered(known.design, annotator, list(paths), class_name)
        found += [
            id
            for path, id in paths.items()
            if path not in done and votes.get(path, 0) + loans.get(path, 0) < known.target
        ]
        if len(found) >= number:
            break
    return found[:number]


def _kept(table: DatasetTable, desk: Desk, known: Settings, annotator: str) -> list[Lease]:
    """What the annotator holds, given more time; without what ran out and others have answered, or is gone."""
    now, own = time.time(), desk.leases(known.design, annotator)
    here = _ids(table, [lease.path for lease in own])
    kept: list[Lease] = []
    dropped: list[str] = []
    for task in dict.fromkeys(lease.task for lease in own):
        leases = [lease for lease in own if lease.task == task]
        good = all(lease.path in here for lease in leases)
        if good and leases[0].expires < now:
            good = _still_wanted(table, desk, known.design, annotator, leases)
        if good:
            kept += leases
        else:
            dropped.append(task)
    desk.release(dropped)
    if kept:
        expires = now + _lease_s(known)
        desk.prolong({lease.task for lease in kept}, expires)
        kept = [replace(lease, expires=expires) for lease in kept]
    return kept


def _still_wanted(table: DatasetTable, desk: Desk, design: Design, annotator: str, leases: Sequence[Lease]) -> bool:
    """Whether an answer that comes late is still of use: there is room for one image of it, or it is a check."""
    known = _collecting(_ledger(table))
    asked = [lease for lease in leases if lease.control == "none"]
    if not asked:
        return True
    paths, name = [lease.path for lease in asked], asked[0].class_name
    votes = desk.votes(design, paths, name, without=_names_out(table, design))
    loans = desk.on_loan(design, name, annotator=annotator, now=time.time())
    return any(votes.get(path, 0) + loans.get(path, 0) < known.target for path in paths)


def _open_task(desk: Desk, annotator: str, task: str, nonce: str) -> tuple[list[Lease], Reply | None]:
    """The images of a task, or the reply that it can get at once."""
    if not nonce:
        raise CurateError("an answer needs a nonce, so that sending it twice counts once")
    leases = desk.task(task, annotator)
    if leases:
        return leases, None
    given = desk.nonce(task, annotator)
    return [], _STALE if given is None else _ACCEPTED if given == nonce else _ANSWERED


def _cast(
    desk: Desk, design: Design, annotator: str, task: str, ballots: list[Ballot], nonce: str, reaction_ms: int
) -> None:
    reaction = min(int(reaction_ms), _LONGEST_MS)
    desk.cast(design, annotator, task, ballots, nonce=nonce, reaction_ms=reaction, at=time.time())


def _spare_checks(asked: Subjects, held: np.ndarray, known: Settings, seed: int) -> np.ndarray:
    """Ids of known members that the annotator has not met, in a random order."""
    if not known.control_share:
        return np.empty(0, np.int64)
    spare = asked.checks[~held[asked.checks]]
    return np.random.default_rng([seed, len(spare)]).permutation(spare)


def _votes(table: DatasetTable, ledger: Ledger, design: Design) -> np.ndarray:
    """Collected votes that count of each sample, (N,); of grids, those for the sample's own label."""
    key: Key = "k-way" if design == "classify" else "tick"
    return table.tally.collected(ledger, key, _out(ledger, design)).votes


def _scope(asked: Subjects, known: Settings) -> np.ndarray:
    """Mask (N,) of the samples that the collection asks about."""
    if known.design == "classify":
        return asked.asked.copy()
    labelled = asked.asked & (asked.labels >= 0)
    return labelled & np.isin(asked.labels, known.classes) if known.classes else labelled


def _seen(table: DatasetTable, ledger: Ledger, design: Design, annotator: str, asked: Subjects) -> np.ndarray:
    """Ids that an annotator has answered; in grids, for their own label."""
    rows = _standing(ledger, design)
    rows = rows[rows["annotator"] == ledger.annotators.number(annotator)]
    ids = table.tally.places(ledger)[rows["path"]]
    keep = ids >= 0
    if design == "select":
        keep &= table.tally.class_numbers(ledger)[rows["answer"]] == asked.labels[ids]
    return np.unique(ids[keep])


def _seen_for(table: DatasetTable, ledger: Ledger, annotator: str, class_name: str) -> np.ndarray:
    """Ids that an annotator has met in grids of a class, controls among them."""
    rows = _standing(ledger, "select")
    mine = (rows["annotator"] == ledger.annotators.number(annotator)) & (
        rows["answer"] == ledger.classes.number(class_name)
    )
    ids = table.tally.places(ledger)[rows["path"][mine]]
    return np.unique(ids[ids >= 0])


def _standing(ledger: Ledger, design: Design) -> Rows:
    rows = ledger.rows
    return rows[rows["standing"] & (rows["classify"] == (design == "classify"))]


def _tasks_of(ledger: Ledger, design: Design, annotator: str) -> int:
    rows = _standing(ledger, design)
    return int(((rows["annotator"] == ledger.annotators.number(annotator)) & (rows["place"] == 0)).sum())


def _out(ledger: Ledger, design: Design) -> np.ndarray:
    return left_out(ledger, design == "classify", choice(ledger).control_filter)


def _names_out(table: DatasetTable, design: Design) -> list[str]:
    ledger = _ledger(table)
    return [ledger.annotators.texts[number] for number in _out(ledger, design)]


def _why(ledger: Ledger, name: str, out: bool, design: Design) -> tuple[str, str]:
    """Why somebody does not count, and by whom."""
    if not out:
        return "", ""
    action, why, who = ledger.rulings.get(name, ("", "", ""))
    if action == "exclude":
        return why or "excluded", f"hand: {who}"
    right, controls = (counts[ledger.annotators.number(name)] for counts in control_hits(ledger, design == "classify"))
    limit = choice(ledger).control_filter or 0.0
    return f"{right} of {controls} controls right, below {limit:.0%}", "rule"


def _rule(table: DatasetTable, annotator: str, action: Literal["exclude", "include"], why: str, who: str) -> None:
    with table.box.desk(table.dataset.name) as desk:
        desk.rule(_name(annotator), action, why=why.strip(), who=_name(who), at=time.time())
    table.refresh()


def _ledger(table: DatasetTable) -> Ledger:
    return table.box.ledger(table.dataset.name)


def _settings(ledger: Ledger) -> Settings | None:
    text = ledger.choices.get(_SETTINGS)
    if text is None:
        return None
    known = {name: value for name, value in json.loads(text).items() if name in Settings.__dataclass_fields__}
    known["classes"] = tuple(known.get("classes", ()))
    known["definitions"] = tuple((name, text) for name, text in known.get("definitions", ()))
    return Settings(**known)


def _collecting(ledger: Ledger) -> Settings:
    known = _settings(ledger)
    if known is None:
        raise CurateError("no votes are collected on this dataset yet: set up a collection first")
    return known


def _of_design(ledger: Ledger, design: Design) -> Settings:
    known = _collecting(ledger)
    if known.design != design:
        raise CurateError(f"votes are collected by the design {known.design} now, not {design}: reload the page")
    return known


def _check(table: DatasetTable, known: Settings) -> None:
    """Refuses settings by which nobody could be asked anything."""
    if known.design not in DESIGNS or known.queue not in _QUEUES:
        raise CurateError(f"choose a design of {', '.join(DESIGNS)} and a queue of {', '.join(_QUEUES)}")
    if not 1 <= known.target <= 1000:
        raise CurateError(f"the target is 1 to 1000 votes a sample; it was {known.target}")
    if known.queue == "hardest" and known.score not in SCORES:
        raise CurateError(f"no score is called {known.score}: choose from {', '.join(SCORES)}")
    if not 0 < known.lease_minutes <= 24 * 60:
        raise CurateError("an annotator holds an image for more than nothing and up to a day")
    tasks.is_check(0, share=known.control_share)
    if known.grid.size > 400:
        raise CurateError(f"a grid of {known.grid.size} images is too much at once: 400 are the most")
    asked = subjects(table)
    if len(asked.classes) < 2:
        raise CurateError("people cannot choose between classes where there are fewer than two")
    if known.design == "select" and not _scope(asked, known).any():
        raise CurateError("no sample has a label of these classes, so that none can be asked about: choose others")
    if unknown := [label for label in known.classes if not 0 <= label < len(asked.classes)]:
        raise CurateError(f"there is no class {unknown[0]}: labels run from 0 to {len(asked.classes) - 1}")
    asked.order(known.order, np.zeros(len(asked.labels), np.int64), known.target)


def _class_name(table: DatasetTable, known: Settings, label: int) -> str:
    classes = table.tally.classes
    if not 0 <= label < len(classes) or (known.classes and label not in known.classes):
        raise CurateError(f"the collection does not ask about class {label}: choose one of its classes")
    return classes[label]


def _lease_s(known: Settings) -> float:
    return 60 * known.lease_minutes


def _running_out(own: Sequence[Lease], known: Settings, now: float) -> bool:
    return any(lease.expires < now + _lease_s(known) / 2 for lease in own)


def _first_task(own: Sequence[Lease]) -> list[Lease]:
    return [lease for lease in own if lease.task == own[0].task]


def _lease_of(ballot: Ballot, task: str, turn: int, expires: float) -> Lease:
    """An answered image as it is asked about anew."""
    name = "" if ballot.selected is None else ballot.answer
    return Lease(task, ballot.place, ballot.path, name, ballot.control, ballot.expected, ballot.selected, turn, expires)


def _grid(table: DatasetTable, known: Settings, own: Sequence[Lease]) -> Grid:
    ids, name = _ids(table, [lease.path for lease in own]), own[0].class_name
    classes = table.tally.classes
    return Grid(
        own[0].task,
        classes.index(name) if name in classes else -1,
        name,
        dict(known.definitions).get(name, ""),
        tuple(ids[lease.path] for lease in own if lease.path in ids),
        tuple(ids[lease.path] for lease in own if lease.path in ids and lease.ticked),
        _moment(own[0].expires),
    )


def _question(lease: Lease, ids: dict[str, int]) -> Question:
    return Question(lease.task, ids[lease.path], _moment(lease.expires))


def _ids(table: DatasetTable, paths: Sequence[str]) -> dict[str, int]:
    """Ids of the samples that the dataset still has, by path."""
    return {path: id for path in paths if (id := subjects(table).id_of(path)) is not None}


def _path(table: DatasetTable, id: int) -> str:
    paths = subjects(table).paths
    return str(paths[id]) if 0 <= id < len(paths) else ""


def _texts(texts: Sequence[str], numbers: np.ndarray) -> pd.Series:
    """Texts by number; missing where it is -1."""
    found = np.array([*texts, None], object)[numbers]
    return pd.Series(found, dtype="str")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _name(annotator: str) -> str:
    """The name itself when it can stand in the log."""
    name = annotator.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise CurateError(f"an annotator has a name of 1 to {_LONGEST_NAME} printable characters")
    return name
