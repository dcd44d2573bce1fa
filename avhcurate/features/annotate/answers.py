"""Takes answers into the log, each once: to a single image or a whole grid; and retracts them."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.annotate.queue import TaskQueue
from avhcurate.features.annotate.setup import LEASE_S, annotator_name, required_settings
from avhcurate.features.annotate.task_pool import task_pool
from avhcurate.people.responses import CANNOT_TELL, Design
from avhcurate.workspace.data.runs import RunFolder

#: A faster reaction is not an answer to the image: nerves and muscles need as long (a false start on the track).
FASTEST_MS = 100
#: The same for a tile of a grid: images shown for less than about 20 ms are not recognised (Potter et al. 2014).
FASTEST_TILE_MS = 20
_FASTEST = {"classify": FASTEST_MS, "select": FASTEST_TILE_MS}
#: From which the task of an image that is asked about again follows.
_AGAIN = uuid.UUID("6f1d2f3e-8a54-4c61-9d0b-2f6c5a1e7b90")

#: Why an answer does not count, as the annotator reads it.
STALE = "Another image was on screen. This answer does not count."
FAST = "That answer came too fast. Please look at the image and try again."
ANSWERED = "You have already answered this, in another window or with another key."
TAKEN = "Your time for this one was up, and others have answered it. Here is another."


def answer(
    decisions: Decisions,
    votes: Votes,
    run: RunFolder | None,
    annotator: str,
    task: str,
    id: int,
    label: int | None,
    *,
    nonce: str,
    reaction_ms: float,
) -> str:
    """Take the answer `label` (None: cannot tell) to the image `id` that was on screen; return why it does not count.

    "" means that it is on the disk. The same `nonce` again is acknowledged again and counts once.
    """
    classes = votes.classes
    name = CANNOT_TELL
    if label is None:
        if not required_settings(votes).skip:
            raise CurateError("This collection asks for a class of every image. Choose one.")
    elif 0 <= label < len(classes):
        name = classes[label]
    else:
        raise CurateError(f"Unknown class {label}. Labels run from 0 to {len(classes) - 1}.")

    return _take(decisions, votes, run, "classify", annotator, task, {id: {"class_name": name}}, nonce, reaction_ms)


def submit_grid(
    decisions: Decisions,
    votes: Votes,
    run: RunFolder | None,
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

    answers = {id: {"ticked": id in ticked} for id in ids}
    return _take(decisions, votes, run, "select", annotator, task, answers, nonce, reaction_ms)


def take_back(votes: Votes, annotator: str, *, of: str = "") -> bool:
    """Retract an annotator's newest answer that stands, and ask the same again, before all else; False: none stands.

    of: the nonce of the answer that is meant. When it is asked for again, nothing more is retracted.
    """
    annotator = annotator_name(annotator)
    design = required_settings(votes).design
    with votes.log.transaction(votes.present_id(), annotator=annotator) as log:
        old = log.given(design, annotator, **({"nonce": of} if of else {}))
        if old is not None and old.stands:
            log.retract(old.task, at=time.time())
            changes: dict[str, Any] = {
                "task": _again(old.task),
                "turn": min([lease.turn for lease in log.leases(design, annotator)], default=0) - 1,
                "expires": time.time() + LEASE_S,
            }
            if design == "classify":
                changes["class_name"] = ""
            log.lend(design, annotator, [replace(lease, **changes) for lease in log.answers(old.task)])
    return old is not None


def _again(task: str) -> str:
    """Return the task of an image or grid that is asked about again."""
    return uuid.uuid5(_AGAIN, task).hex


def _take(
    decisions: Decisions,
    votes: Votes,
    run: RunFolder | None,
    design: Design,
    annotator: str,
    task: str,
    answers: Mapping[int, dict[str, Any]],
    nonce: str,
    reaction_ms: float,
) -> str:
    """Record the answer to each image, by id, nothing where others were on screen.

    The browser may know a task that was taken back by its old name only.
    """
    annotator = annotator_name(annotator)
    with votes.log.transaction(votes.present_id(), annotator=annotator) as log:
        while not (leases := log.task(task, annotator)):
            old = log.given(design, annotator, task=task)
            if old is None:
                return STALE
            if old.nonce == nonce:
                return ""
            if old.stands:
                return ANSWERED
            task = _again(task)
        shown = task_pool(votes, run).ids_leased(leases)
        if bool(leases[0].class_name) != (design == "select") or sorted(shown.values()) != sorted(answers):
            return STALE
        if reaction_ms < _FASTEST[design] * len(leases):
            return FAST
        if leases[0].expires < time.time() and not TaskQueue(decisions, votes, run, annotator).still_wanted(
            log, leases
        ):
            log.release([task])
            return TAKEN
        responses = [replace(lease, **answers[shown[lease.path]]) for lease in leases]
        log.record(design, annotator, responses, nonce=nonce, reaction_ms=int(reaction_ms), at=time.time())
    return ""
