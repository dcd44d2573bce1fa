"""Takes answers into the log, each once: to a single image or a whole grid; and retracts them, or skips a task."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from avhcurate.annotate.queue import GridTask, Question, TaskQueue, question_of
from avhcurate.annotate.setup import annotator_name
from avhcurate.annotate.task_pool import task_pool
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes.log import Lease, Response
from avhcurate.votes.responses import Design

#: A reaction below is no answer to the image: nerves and muscles alone take as long (a false start on the track).
FASTEST_MS = 100
#: The same for a grid, a tile: images shown for less than about 20 ms each are not recognised (Potter et al. 2014).
FASTEST_TILE_MS = 20
_LONGEST_MS = 24 * 3_600_000
#: From which the task of an image that is asked about again follows.
_AGAIN = uuid.UUID("6f1d2f3e-8a54-4c61-9d0b-2f6c5a1e7b90")


@dataclass(frozen=True)
class Reply:
    """Whether an answer is on the disk, and if not why: `kind` for the program, `reason` for people.

    stale: not the image that was asked about. fast: nobody can be so quick. answered: already, and otherwise. taken: it
    came after the time was up, and others have answered meanwhile.
    """

    accepted: bool
    reason: str = ""
    kind: Literal["", "stale", "fast", "answered", "taken"] = ""


_ACCEPTED = Reply(True)
_STALE = Reply(False, "Another image was on screen than the one asked about: this answer was not taken.", "stale")
_FAST = Reply(False, "That was faster than anybody can look: please look and answer again.", "fast")
_ANSWERED = Reply(False, "This was answered already, in another window or with another key.", "answered")
_TAKEN = Reply(False, "The time for it was up, and others have answered meanwhile: here is another.", "taken")


def answer(
    table: DatasetTable, annotator: str, task: str, id: int, label: int, *, nonce: str, reaction_ms: int
) -> Reply:
    """Takes the answer `label` to the image `id` that was on screen; it is on the disk when this says accepted.

    The same `nonce` again is acknowledged again and counts once.
    """
    classes = table.counter.classes
    if not 0 <= label < len(classes):
        raise CurateError(f"there is no class {label}: labels run from 0 to {len(classes) - 1}")
    path = _path(table, id)

    def responses(leases: list[Lease]) -> list[Response]:
        if [(lease.path, lease.class_name) for lease in leases] != [(path, "")]:
            return []
        return [Response(0, path, classes[label], None, leases[0].control, leases[0].expected)]

    return _take(table, "classify", annotator, task, responses, FASTEST_MS, nonce, reaction_ms)


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
    shown, chosen = dict(zip([_path(table, id) for id in ids], ids, strict=True)), set(ticked)

    def responses(leases: list[Lease]) -> list[Response]:
        if {lease.path for lease in leases} != set(shown) or not leases[0].class_name:
            return []
        return [
            Response(tile.place, tile.path, tile.class_name, shown[tile.path] in chosen, tile.control, tile.expected)
            for tile in leases
        ]

    return _take(table, "select", annotator, task, responses, FASTEST_TILE_MS, nonce, reaction_ms)


def take_back(table: DatasetTable, annotator: str, *, of: str = "") -> Question | GridTask | None:
    """Retracts an annotator's newest answer that stands, and asks the same again, before all else; None: none stands.

    of: the nonce of the answer that is meant. Asked for again, nothing more is retracted, and the same task comes
    again while it is open; None where no answer has that nonce, or the task is answered again.
    """
    queue, now = TaskQueue(table, annotator_name(annotator)), time.time()
    design, annotator = queue.design, queue.annotator
    with table.response_log.transaction(table.present_name(), annotator=annotator) as log:
        old = log.answered_with(design, annotator, of) if of else log.newest(design, annotator)
        if old is None:
            return None
        task = uuid.uuid5(_AGAIN, old).hex
        if log.stands(old):
            log.retract(old, at=now)
            turn = min([lease.turn for lease in log.leases(design, annotator)], default=0) - 1
            end = now + queue.settings.lease_seconds
            leases = [_lease_again(response, task, turn, end) for response in log.answers(old)]
            log.lend(design, annotator, leases)
        else:
            leases = log.task(task, annotator)
    ids = queue.pool.ids_of([lease.path for lease in leases])
    if not ids:
        return None
    return queue.grid_of(leases) if design == "select" else question_of(leases[0], ids)


def skip(table: DatasetTable, annotator: str, task: str) -> None:
    """Gives up a task whose image cannot be seen: the annotator is not asked about that image again."""
    annotator = annotator_name(annotator)
    with table.response_log.transaction(table.present_name(), annotator=annotator) as log:
        leases = log.task(task, annotator)
        if leases and leases[0].class_name:
            log.release([task])
        elif leases:
            log.set_aside(task)


def _take(
    table: DatasetTable,
    design: Design,
    annotator: str,
    task: str,
    responses: Callable[[list[Lease]], list[Response]],
    fastest: int,
    nonce: str,
    reaction_ms: int,
) -> Reply:
    """Records what `responses` makes of the task's images, nothing where other images were on screen."""
    if not nonce:
        raise CurateError("an answer needs a nonce, so that sending it twice counts once")
    annotator = annotator_name(annotator)
    with table.response_log.transaction(table.present_name(), annotator=annotator) as log:
        leases = log.task(task, annotator)
        if not leases:
            given = log.nonce(task, annotator)
            return _STALE if given is None else _ACCEPTED if given == nonce else _ANSWERED
        answers = responses(leases)
        if not answers:
            return _STALE
        if reaction_ms < fastest * len(leases):
            return _FAST
        if leases[0].expires < time.time() and not TaskQueue(table, annotator).still_wanted(log, leases):
            log.release([task])
            return _TAKEN
        reaction = min(int(reaction_ms), _LONGEST_MS)
        log.record(design, annotator, task, answers, nonce=nonce, reaction_ms=reaction, at=time.time())
    return _ACCEPTED


def _lease_again(response: Response, task: str, turn: int, expires: float) -> Lease:
    """An answered image as it is asked about again."""
    name = "" if response.selected is None else response.answer
    control, expected = response.control, response.expected
    return Lease(task, response.place, response.path, name, control, expected, response.selected, turn, expires)


def _path(table: DatasetTable, id: int) -> str:
    paths = task_pool(table).paths
    return str(paths[id]) if 0 <= id < len(paths) else ""
