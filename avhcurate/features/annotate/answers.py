"""Takes answers into the log, each once: to a single image or a whole grid; and retracts them."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.annotate.queue import GridTask, Question, TaskQueue
from avhcurate.features.annotate.setup import LEASE_S, annotator_name
from avhcurate.features.annotate.task_pool import task_pool
from avhcurate.people.log import Lease
from avhcurate.people.responses import Design

#: A faster reaction is not an answer to the image: nerves and muscles need as long (a false start on the track).
FASTEST_MS = 100
#: The same for a tile of a grid: images shown for less than about 20 ms are not recognised (Potter et al. 2014).
FASTEST_TILE_MS = 20
_LONGEST_MS = 24 * 3_600_000
#: From which the task of an image that is asked about again follows.
_AGAIN = uuid.UUID("6f1d2f3e-8a54-4c61-9d0b-2f6c5a1e7b90")

#: Why an answer does not count, as the annotator reads it.
STALE = "Another image was on screen. This answer does not count."
FAST = "That answer came too fast. Please look at the image and try again."
ANSWERED = "You have already answered this, in another window or with another key."
TAKEN = "Your time for this one was up, and others have answered it. Here is another."


def answer(
    table: DatasetTable, annotator: str, task: str, id: int, label: int, *, nonce: str, reaction_ms: float
) -> str:
    """Take the answer `label` to the image `id` that was on screen; return why it does not count.

    "" means that it is on the disk. The same `nonce` again is acknowledged again and counts once.
    """
    classes = table.counter.classes
    if not 0 <= label < len(classes):
        raise CurateError(f"Unknown class {label}. Labels run from 0 to {len(classes) - 1}.")
    path = _path(table, id)

    def answered(leases: list[Lease]) -> list[Lease]:
        if [(lease.path, lease.class_name) for lease in leases] != [(path, "")]:
            return []
        return [replace(leases[0], class_name=classes[label])]

    return _take(table, "classify", annotator, task, answered, FASTEST_MS, nonce, reaction_ms)


def submit_grid(
    table: DatasetTable,
    annotator: str,
    task: str,
    ids: Sequence[int],
    ticked: Sequence[int],
    *,
    nonce: str,
    reaction_ms: float,
) -> str:
    """Take a whole grid or nothing: `ids` were on screen, and `ticked` among them; else as `answer`."""
    if not set(ticked) <= set(ids):
        raise CurateError("Images were ticked that were not on screen. Reload the page.")
    shown, chosen = {_path(table, id) for id in ids}, {_path(table, id) for id in ticked}

    def answered(leases: list[Lease]) -> list[Lease]:
        if {lease.path for lease in leases} != shown or not leases[0].class_name:
            return []
        return [replace(tile, ticked=tile.path in chosen) for tile in leases]

    return _take(table, "select", annotator, task, answered, FASTEST_TILE_MS, nonce, reaction_ms)


def take_back(table: DatasetTable, annotator: str, *, of: str = "") -> Question | GridTask | None:
    """Retract an annotator's newest answer that stands, and ask the same again, before all else; None: none stands.

    of: the nonce of the answer that is meant. When it is asked for again, nothing more is retracted, and the same task
    comes again while it is open; None where no answer has that nonce, or the task is answered again.
    """
    queue = TaskQueue(table, annotator_name(annotator))
    design, annotator = queue.design, queue.annotator
    with table.response_log.transaction(table.present_id(), annotator=annotator) as log:
        old = log.given(design, annotator, **({"nonce": of} if of else {}))
        if old is None:
            return None
        task = uuid.uuid5(_AGAIN, old.task).hex
        if old.stands:
            log.retract(old.task, at=time.time())
            turn = min([lease.turn for lease in log.leases(design, annotator)], default=0) - 1
            leases = [
                replace(lease, task=task, turn=turn, expires=time.time() + LEASE_S) for lease in log.answers(old.task)
            ]
            if design == "classify":
                leases = [replace(lease, class_name="") for lease in leases]
            log.lend(design, annotator, leases)
        else:
            leases = log.task(task, annotator)
    ids = queue.pool.ids_of([lease.path for lease in leases])
    if not ids:
        return None
    if design == "select":
        return queue.grid_task(leases)
    return Question(task, ids[leases[0].path])


def _take(
    table: DatasetTable,
    design: Design,
    annotator: str,
    task: str,
    answered: Callable[[list[Lease]], list[Lease]],
    fastest: int,
    nonce: str,
    reaction_ms: float,
) -> str:
    """Record what `answered` makes of the task's images, nothing where other images were on screen."""
    if not nonce:
        raise CurateError("An answer needs a nonce, so that sending it twice counts once.")
    annotator = annotator_name(annotator)
    with table.response_log.transaction(table.present_id(), annotator=annotator) as log:
        leases = log.task(task, annotator)
        if not leases:
            given = log.given(design, annotator, task=task)
            if given is None:
                return STALE
            if given.nonce != nonce:
                return ANSWERED
            return ""
        answers = answered(leases)
        if not answers:
            return STALE
        if reaction_ms < fastest * len(leases):
            return FAST
        if leases[0].expires < time.time() and not TaskQueue(table, annotator).still_wanted(log, leases):
            log.release([task])
            return TAKEN
        reaction = min(int(reaction_ms), _LONGEST_MS)
        log.record(design, annotator, answers, nonce=nonce, reaction_ms=reaction, at=time.time())
    return ""


def _path(table: DatasetTable, id: int) -> str:
    paths = task_pool(table).paths
    if not 0 <= id < len(paths):
        return ""
    return str(paths[id])
