"""What a session knows of one annotator at work: which answers it has passed on, and how far the annotator is."""

import time
from dataclasses import dataclass, field, replace

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.services import answering, handing_out
from avhcurate.services.answering import Reply
from avhcurate.services.handing_out import CollectionProgress, GridTask, Question
from avhcurate.services.tables import DatasetTable
from avhcurate.ui.components.outbox import Answer, Back, Broken, Entry, Message, Refused, Sheet, Word

_DESK = "annotate.desk"
#: Seconds for which the progress is counted on here, before the log is asked again.
_PROGRESS_S = 5.0


@dataclass
class Desk:
    """Passes answers on to the log, each once in this session (and, by its nonce, once at all).

    `scope` names dataset, design and annotator: another one has another desk. `word` is what the browser is told of
    its last message.
    """

    scope: str
    annotator: str
    word: Word = field(default_factory=Word)
    #: Why each settled nonce was refused; "" where it counts.
    settled: dict[str, str] = field(default_factory=dict)
    #: Tasks handed out anew, by the name that the browser may still know them by.
    renamed: dict[str, str] = field(default_factory=dict)
    #: The task of each answer, by its nonce, for the case that it is taken back.
    tasks: dict[str, str] = field(default_factory=dict)
    #: Tasks whose image could not be drawn: they are not shown again in this session.
    broken: set[str] = field(default_factory=set)
    #: Grids submitted here that can be had back.
    submitted: int = 0
    _progress: CollectionProgress | None = None
    _asked_at: float = 0.0

    def hear(self, table: DatasetTable, message: Message) -> None:
        """Puts the message's answers into the log, in their order; what cannot count is refused with its reason."""
        for entry in message.entries:
            if entry.nonce not in self.settled:
                self.settled[entry.nonce] = self._pass_on(table, entry)
        nonces = tuple(entry.nonce for entry in message.entries)
        refused = tuple(Refused(nonce, self.settled[nonce]) for nonce in nonces if self.settled[nonce])
        self.word = Word(message.turn, nonces, refused)

    def questions(self, table: DatasetTable, *, ahead: int) -> list[Question]:
        """What the annotator is asked now and next, without images that could not be drawn."""
        asked = handing_out.next_questions(table, self.annotator, ahead=ahead + len(self.broken))
        return [one for one in asked if one.task not in self.broken]

    def progress(self, table: DatasetTable, *, now: bool = False) -> CollectionProgress:
        """How far the annotator is: asked of the log now and then, and counted on between."""
        if self._progress is None or now or time.monotonic() - self._asked_at > _PROGRESS_S:
            self._progress = handing_out.progress(table, self.annotator)
            self._asked_at = time.monotonic()
        return self._progress

    def _pass_on(self, table: DatasetTable, entry: Entry) -> str:
        try:
            match entry:
                case Answer():
                    return self._answer(table, entry)
                case Sheet():
                    return self._sheet(table, entry)
                case Back():
                    return self._back(table, entry)
                case Broken():
                    self.broken.add(self._known_as(entry.task))
                    return ""
        except CurateError as error:
            return str(error)

    def _answer(self, table: DatasetTable, entry: Answer) -> str:
        self.tasks[entry.nonce] = entry.task
        reply = answering.answer(
            table, self.annotator, self._known_as(entry.task), entry.id, entry.choice, nonce=entry.nonce,
            reaction_ms=entry.ms,
        )  # fmt: skip
        return self._count(reply, 1, 1)

    def _sheet(self, table: DatasetTable, entry: Sheet) -> str:
        self.tasks[entry.nonce] = entry.task
        reply = answering.submit_grid(
            table, self.annotator, self._known_as(entry.task), entry.ids, entry.ticked, nonce=entry.nonce,
            reaction_ms=entry.ms,
        )  # fmt: skip
        if reply.accepted:
            self.submitted += 1
            self._progress = None
        return self._count(reply, 0, 0)

    def _back(self, table: DatasetTable, entry: Back) -> str:
        if self.settled.get(entry.of):
            return ""  # it was refused, so there is nothing to take back, and its image is asked about again
        again: Question | GridTask | None = answering.take_back(table, self.annotator, of=entry.of)
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


def desk_of(scope: str, annotator: str) -> Desk:
    """The session's desk; a new one where dataset, design or annotator are others."""
    kept: Desk | None = st.session_state.get(_DESK)
    if kept is None or kept.scope != scope:
        kept = st.session_state[_DESK] = Desk(scope, annotator)
    return kept


def leave_desk() -> None:
    """Forgets what was passed on, as after the annotator's answers were removed."""
    st.session_state.pop(_DESK, None)
