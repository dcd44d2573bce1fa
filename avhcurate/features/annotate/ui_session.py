"""The annotator of the Annotate page: the name, what becomes of the answers, and their removal."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.annotate import annotators, queue
from avhcurate.features.annotate import answers as annotate_answers
from avhcurate.features.annotate.setup import LONGEST_NAME, annotator_name
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.page_choices import Choice
from avhcurate.ui.base.signin import say_why_not, who, why_not
from avhcurate.ui.server.decisions import Decision, Reply, Takers
from avhcurate.workspace.data.people import Role

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


# --- what annotators decide ---------------------------------------------------------------------------------------


def _answer(table: DatasetTable, decision: Decision) -> Reply:
    return Reply(_taken(annotate_answers.answer, table, decision, decision.image, decision.choice))


def _skip(table: DatasetTable, decision: Decision) -> Reply:
    return Reply(_taken(annotate_answers.answer, table, decision, decision.image, None))


def _submit(table: DatasetTable, decision: Decision) -> Reply:
    return Reply(_taken(annotate_answers.submit_grid, table, decision, decision.images, decision.ticked))


def _taken(take: Callable[..., str], table: DatasetTable, decision: Decision, *said: Any) -> str:
    return take(table, decision.who, decision.task, *said, nonce=decision.nonce, reaction_ms=decision.ms)


def _take_back(table: DatasetTable, decision: Decision) -> Reply:
    """Retract the answer of a nonce, or the newest before the grid on screen, which tells whether that was done."""
    if not decision.of and decision.task != queue.open_grid(table, decision.who):
        return Reply()
    if not annotate_answers.take_back(table, decision.who, of=decision.of) and not decision.of:
        return Reply("There is no answer to take back.")
    return Reply()


#: What annotators decide, by kind of decision.
TAKERS: Takers = {"answer": _answer, "skip": _skip, "grid": _submit, "back": _take_back}


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
        st.session_state["annotate.sure"] = False
