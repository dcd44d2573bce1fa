"""The annotator of the Annotate page: the name, the session that passes answers to the log, and their removal."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators, queue
from avhcurate.features.annotate import answers as annotate_answers
from avhcurate.features.annotate.queue import CollectionProgress, GridTask, Question
from avhcurate.features.annotate.setup import LONGEST_NAME, annotator_name
from avhcurate.ui.components.outbox import Delivery, Entry
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.signin import say_why_not, who, why_not
from avhcurate.ui.url_state import View
from avhcurate.workspace.data.people import Role

_SESSION = "annotate.session"
#: Seconds for which the progress is counted here, before the log is read again.
_PROGRESS_S = 5.0


def _read_name(text: str) -> str:
    try:
        return annotator_name(text)
    except CurateError as error:
        raise ValueError(text) from error


#: The annotator's name, kept in the address so that a reload does not ask for it.
NAME: Choice[str] = Choice("annotate.name", "", _read_name)


def annotator(view: View) -> str:
    """Return the signed-in user, else the name in the address; without one, ask for it and end the page.

    It ends for viewers too, who do not answer.
    """
    if why_not(Role.ANNOTATOR):
        st.title("Annotate", anchor=False)
        say_why_not(Role.ANNOTATOR, "Answering")
        st.stop()
    if name := who() or NAME.of(view):
        return name
    st.title("Annotate", anchor=False)
    with st.container(border=True, width=560):
        st.header("Who are you?", icon=":material/badge:")
        st.write("Your answers are kept under a name, so that you can continue later and take them back.")
        with st.form("annotate.who", border=False):
            st.text_input("Name", key="annotate.typed", max_chars=LONGEST_NAME, placeholder="ada", autocomplete="name")
            st.form_submit_button("Start", type="primary", icon=":material/play_arrow:", on_click=_begin)
        if st.session_state.pop("annotate.nameless", False):
            st.caption(f":material/error: A name has 1 to {LONGEST_NAME} printable characters.")
    return st.stop()


def _begin() -> None:
    try:
        NAME.put(annotator_name(st.session_state["annotate.typed"]))
    except CurateError:
        st.session_state["annotate.nameless"] = True


def leave() -> None:
    """Forget the annotator's name; a widget's callback."""
    NAME.put("")


@dataclass
class AnnotatorSession(Delivery):
    """Passes answers on to the log, each once in this session (and, by its nonce, once at all).

    `scope` names dataset, design and annotator: another one has another session.
    """

    annotator: str = ""
    #: Tasks handed out again, by the name that the browser may still know them by.
    renamed: dict[str, str] = field(default_factory=dict)
    #: The task of each answer as the log knows it, by its nonce, in case it is retracted.
    tasks: dict[str, str] = field(default_factory=dict)
    #: Tasks whose image could not be drawn: they are not shown again in this session.
    broken: set[str] = field(default_factory=set)
    #: Grids submitted here that can be taken back.
    submitted: int = 0
    _progress: CollectionProgress | None = None
    _asked_at: float = 0.0

    def hear(self, table: DatasetTable, sent: Any) -> None:
        """Put the browser's answers into the log; refuse with a reason what cannot count."""
        self.deliver(sent, lambda entry: self._take(table, entry))

    def questions(self, table: DatasetTable, *, ahead: int) -> list[Question]:
        """Return what the annotator is asked now and next, without images that could not be drawn."""
        asked = queue.next_questions(table, self.annotator, ahead=ahead + len(self.broken))
        return [one for one in asked if one.task not in self.broken]

    def progress(self, table: DatasetTable, *, now: bool = False) -> CollectionProgress:
        """Return how far the annotator is: read from the log every few seconds, and counted in between."""
        if self._progress is None or now or time.monotonic() - self._asked_at > _PROGRESS_S:
            self._progress = queue.progress(table, self.annotator)
            self._asked_at = time.monotonic()
        return self._progress

    def _take(self, table: DatasetTable, entry: Entry) -> str:
        task = self._known_as(entry.task)
        if entry.kind == "broken":
            self.broken.add(task)
            return ""
        if entry.kind == "back":
            return self._take_back(table, entry)
        if entry.kind not in ("answer", "grid"):
            return "Unknown action."
        self.tasks[entry.nonce] = task
        delivery: dict[str, Any] = {"nonce": entry.nonce, "reaction_ms": entry.ms}
        if entry.kind == "answer":
            why = annotate_answers.answer(table, self.annotator, task, entry.id, entry.choice, **delivery)
            self._count(int(not why))
            return why
        why = annotate_answers.submit_grid(table, self.annotator, task, entry.ids, entry.ticked, **delivery)
        if not why:
            self.submitted += 1
            self._progress = None
        return why

    def _take_back(self, table: DatasetTable, entry: Entry) -> str:
        if self.settled.get(entry.of):
            return ""  # it was refused, so there is nothing to retract, and its image is asked about again
        again = annotate_answers.take_back(table, self.annotator, of=entry.of)
        if again is None and entry.of:
            return ""
        if again is None:
            return "There is no answer to take back."
        if entry.of in self.tasks:
            self.renamed[self.tasks[entry.of]] = again.task
        self.submitted = max(0, self.submitted - 1)
        if isinstance(again, GridTask):
            self._progress = None
        self._count(-1)
        return ""

    def _known_as(self, task: str) -> str:
        while task in self.renamed:
            task = self.renamed[task]
        return task

    def _count(self, answers: int) -> None:
        if self._progress is not None:
            left = max(0, self._progress.left - answers)
            self._progress = replace(self._progress, answers=self._progress.answers + answers, left=left)


def session_of(scope: str, annotator: str) -> AnnotatorSession:
    """Return the annotator's session; a new one where dataset, design or annotator are others."""
    kept: AnnotatorSession | None = st.session_state.get(_SESSION)
    if kept is None or kept.scope != scope:
        kept = st.session_state[_SESSION] = AnnotatorSession(scope, annotator=annotator)
    return kept


def answers_menu(page: Opened, me: str) -> None:
    """Draw a menu in which annotators can remove their answers for good."""
    with st.popover("My answers", icon=":material/delete:", type="tertiary", key="annotate.mine"):
        st.write("You can remove all your answers on this dataset for good. This cannot be undone.")
        sure = st.checkbox("I want that", key="annotate.sure")
        st.button(
            "Remove my answers",
            key="annotate.withdraw",
            icon=":material/delete_forever:",
            disabled=not sure,
            on_click=_remove_answers,
            args=(page, me),
        )


def _remove_answers(page: Opened, me: str) -> None:
    if not st.session_state.get("annotate.sure"):
        return
    attempt(annotators.withdraw, page.table, me, done="Your answers are removed")
    st.session_state.pop(_SESSION, None)
    st.session_state["annotate.sure"] = False
