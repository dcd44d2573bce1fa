"""The annotator of the Annotate page: the name, the session that passes answers to the log, and their removal."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.annotate import annotators, queue
from avhcurate.features.annotate import answers as annotate_answers
from avhcurate.features.annotate.queue import Question
from avhcurate.features.annotate.setup import LONGEST_NAME, annotator_name
from avhcurate.ui.components.outbox import Delivery, Entry
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.signin import say_why_not, who, why_not
from avhcurate.workspace.data.people import Role

_SESSION = "annotate.session"


#: The annotator's name, kept in the address so that a reload does not ask for it.
NAME: Choice[str] = Choice("annotate.name", "", str)


def annotator() -> str:
    """Return the signed-in user, else the name in the address; without one, ask for it and end the page.

    It ends for viewers too, who do not answer.
    """
    if not why_not(Role.ANNOTATOR) and (name := who() or NAME.asked()):
        return name
    st.title("Annotate", anchor=False)
    if why_not(Role.ANNOTATOR):
        say_why_not(Role.ANNOTATOR, "Answering")
        st.stop()
    with st.container(border=True, width=560):
        st.header("Who are you?", icon=":material/badge:")
        st.write("Your answers are kept under a name, so that you can continue later and take them back.")
        with st.form("annotate.who", border=False):
            st.text_input("Name", key="annotate.typed", max_chars=LONGEST_NAME, placeholder="ada", autocomplete="name")
            st.form_submit_button("Start", type="primary", on_click=attempt, args=(_begin,))
    return st.stop()


def _begin() -> None:
    NAME.put(annotator_name(st.session_state["annotate.typed"]))


@dataclass
class AnnotatorSession(Delivery):
    """Passes answers on to the log, each once in this session (and, by its nonce, once at all).

    `scope` names dataset, design and annotator: another one has another session.
    """

    annotator: str = ""
    #: Tasks whose image could not be drawn: they are not shown again in this session.
    broken: set[str] = field(default_factory=set)

    def hear(self, table: DatasetTable, sent: Any) -> None:
        """Put the browser's answers into the log; refuse with a reason what cannot count."""
        self.deliver(sent, partial(self._take, table))

    def questions(self, table: DatasetTable, *, ahead: int) -> list[Question]:
        """Return what the annotator is asked now and next, without images that could not be drawn."""
        asked = queue.next_questions(table, self.annotator, ahead=ahead + len(self.broken))
        return [one for one in asked if one.task not in self.broken]

    def _take(self, table: DatasetTable, entry: Entry) -> str:
        delivery: dict[str, Any] = {"nonce": entry.nonce, "reaction_ms": entry.ms}
        match entry.kind:
            case "answer":
                return annotate_answers.answer(table, self.annotator, entry.task, entry.id, entry.choice, **delivery)
            case "skip":
                return annotate_answers.answer(table, self.annotator, entry.task, entry.id, None, **delivery)
            case "grid":
                return annotate_answers.submit_grid(
                    table, self.annotator, entry.task, entry.ids, entry.ticked, **delivery
                )
            case "broken":
                self.broken.add(entry.task)
            case "back" if not self.settled.get(entry.of):  # a refused answer is not taken back
                if not annotate_answers.take_back(table, self.annotator, of=entry.of) and not entry.of:
                    return "There is no answer to take back."
            case "act":
                return "Unknown action."
        return ""


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
    if st.session_state["annotate.sure"]:
        attempt(annotators.withdraw, page.table, me, done="Your answers are removed")
        st.session_state.pop(_SESSION, None)
        st.session_state["annotate.sure"] = False
