"""The session of one annotator: the answers it has passed on to the log, and the annotator's progress."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from avhcurate.annotate import answers as annotate_answers
from avhcurate.annotate import queue
from avhcurate.annotate.answers import Reply
from avhcurate.annotate.queue import CollectionProgress, GridTask, Question
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.ui.components.outbox import Answer, Broken, Entry, GridAnswer, Retraction, Settling

_SESSION = "annotate.session"
#: Seconds for which the progress is counted on here, before the log is read again.
_PROGRESS_S = 5.0


@dataclass
class AnnotatorSession(Settling):
    """Passes answers on to the log, each once in this session (and, by its nonce, once at all).

    `scope` names dataset, design and annotator: another one has another session.
    """

    annotator: str = ""
    #: Tasks handed out again, by the name that the browser may still know them by.
    renamed: dict[str, str] = field(default_factory=dict)
    #: The task of each answer, by its nonce, for the case that it is retracted.
    tasks: dict[str, str] = field(default_factory=dict)
    #: Tasks whose image could not be drawn: they are not shown again in this session.
    broken: set[str] = field(default_factory=set)
    #: Grids submitted here that can be had back.
    submitted: int = 0
    _progress: CollectionProgress | None = None
    _asked_at: float = 0.0

    def hear(self, table: DatasetTable, sent: Any) -> None:
        """Puts the browser's answers into the log; what cannot count is refused with its reason."""
        self.settle(sent, lambda entry: self._pass_on(table, entry))

    def questions(self, table: DatasetTable, *, ahead: int) -> list[Question]:
        """What the annotator is asked now and next, without images that could not be drawn."""
        asked = queue.next_questions(table, self.annotator, ahead=ahead + len(self.broken))
        return [one for one in asked if one.task not in self.broken]

    def progress(self, table: DatasetTable, *, now: bool = False) -> CollectionProgress:
        """How far the annotator is: read from the log now and then, and counted on between."""
        if self._progress is None or now or time.monotonic() - self._asked_at > _PROGRESS_S:
            self._progress = queue.progress(table, self.annotator)
            self._asked_at = time.monotonic()
        return self._progress

    def _pass_on(self, table: DatasetTable, entry: Entry) -> str:
        match entry:
            case Answer():
                return self._answer(table, entry)
            case GridAnswer():
                return self._grid(table, entry)
            case Retraction():
                return self._retract(table, entry)
            case Broken():
                self.broken.add(self._known_as(entry.task))
                return ""

    def _answer(self, table: DatasetTable, entry: Answer) -> str:
        self.tasks[entry.nonce] = entry.task
        reply = annotate_answers.answer(
            table,
            self.annotator,
            self._known_as(entry.task),
            entry.id,
            entry.choice,
            nonce=entry.nonce,
            reaction_ms=entry.ms,
        )
        return self._count(reply, 1, 1)

    def _grid(self, table: DatasetTable, entry: GridAnswer) -> str:
        self.tasks[entry.nonce] = entry.task
        reply = annotate_answers.submit_grid(
            table,
            self.annotator,
            self._known_as(entry.task),
            entry.ids,
            entry.ticked,
            nonce=entry.nonce,
            reaction_ms=entry.ms,
        )
        if reply.accepted:
            self.submitted += 1
            self._progress = None
        return self._count(reply, 0, 0)

    def _retract(self, table: DatasetTable, entry: Retraction) -> str:
        if self.settled.get(entry.of):
            return ""  # it was refused, so there is nothing to retract, and its image is asked about again
        again = annotate_answers.take_back(table, self.annotator, of=entry.of)
        if again is None:
            return "" if entry.of else "There is no answer to take back."
        if entry.of in self.tasks:
            self.renamed[self.tasks[entry.of]] = again.task
        self.submitted = max(0, self.submitted - 1)
        if isinstance(again, GridTask):
            self._progress = None
        return self._count(Reply(True, "", ""), -1, -1)

    def _known_as(self, task: str) -> str:
        while task in self.renamed:
            task = self.renamed[task]
        return task

    def _count(self, reply: Reply, answers: int, left: int) -> str:
        if not reply.accepted:
            return reply.reason or "This answer did not count."
        if self._progress is not None and answers:
            before = self._progress
            self._progress = replace(before, answers=before.answers + answers, left=max(0, before.left - left))
        return ""


def session_of(scope: str, annotator: str) -> AnnotatorSession:
    """The annotator's session; a new one where dataset, design or annotator are others."""
    kept: AnnotatorSession | None = st.session_state.get(_SESSION)
    if kept is None or kept.scope != scope:
        kept = st.session_state[_SESSION] = AnnotatorSession(scope, annotator=annotator)
    return kept


def forget_session() -> None:
    """Forgets what was passed on, as after the annotator's answers were removed."""
    st.session_state.pop(_SESSION, None)
