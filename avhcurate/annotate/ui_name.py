"""Who annotates: the signed-in user, or a name kept in the address; and the way to have one's answers removed."""

import streamlit as st

from avhcurate.annotate import annotators
from avhcurate.annotate.setup import LONGEST_NAME, annotator_name
from avhcurate.annotate.ui_session import forget_session
from avhcurate.errors import CurateError
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.signin import who
from avhcurate.ui.url_state import View


def _read_name(text: str) -> str:
    try:
        return annotator_name(text)
    except CurateError as error:
        raise ValueError(text) from error


#: Who annotates, kept in the address so that a reload asks nobody again.
NAME: Choice[str] = Choice("annotate.name", "", _read_name)


def annotator(view: View) -> str:
    """The signed-in user, else the name in the address; without one, asks for it and ends the page."""
    if name := who() or NAME.of(view):
        return name
    st.title("Annotate", anchor=False)
    with st.container(border=True, width=560):
        st.subheader("Who are you?", icon=":material/badge:")
        st.write("Your answers are kept under a name, so that you can go on later and take them back.")
        with st.form("annotate.who", border=False):
            st.text_input("Name", key="annotate.typed", max_chars=LONGEST_NAME, placeholder="ada", autocomplete="name")
            st.form_submit_button("Start", type="primary", icon=":material/play_arrow:", on_click=_begin)
        if st.session_state.pop("annotate.nameless", False):
            st.caption(f":material/error: A name has 1 to {LONGEST_NAME} printable characters.")
    return st.stop()


def _begin() -> None:
    try:
        NAME.put(_read_name(st.session_state["annotate.typed"]))
    except ValueError:
        st.session_state["annotate.nameless"] = True


def leave() -> None:
    """Forgets who annotates; to be called in a widget's callback."""
    NAME.put("")


def own_answers(here: Opened, me: str) -> None:
    """A way out: the annotator's own answers, removed for good."""
    with st.popover("My answers", icon=":material/delete:", type="tertiary", key="annotate.mine"):
        st.write("You can have every answer of yours on this dataset removed for good. It cannot be undone.")
        sure = st.checkbox("I want that", key="annotate.sure")
        st.button(
            "Remove my answers",
            key="annotate.withdraw",
            icon=":material/delete_forever:",
            disabled=not sure,
            on_click=_withdraw,
            args=(here, me),
        )


def _withdraw(here: Opened, me: str) -> None:
    if not st.session_state.get("annotate.sure"):
        return
    attempt(annotators.withdraw, here.table, me, done="Your answers are removed")
    forget_session()
    st.session_state["annotate.sure"] = False
