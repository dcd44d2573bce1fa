"""The main script: sign-in, navigation, the shared frame, then the page; who is signed in, and who has which role."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.ui.base import frame, navigation
from avhcurate.ui.base.frame import attempt, show_user_error
from avhcurate.ui.base.layout import empty_state, in_a_row
from avhcurate.ui.base.signin import acting_here, ask_to_sign_in, sign_in_configured, who
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.shell import sidebar
from avhcurate.workspace.data import people, roles
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.people import Role, acting
from avhcurate.workspace.data.workspace import find_workspace
from avhcurate.workspace.disk.app_files import page_file

_HERE = Path(__file__).parent
_NONE = "no role"


def main() -> None:
    st.set_page_config(page_title="AVH Curate", page_icon=str(_HERE / "icon.svg"), layout="wide")
    pages = navigation.pages()
    page = st.navigation(pages, position="hidden")
    people.ask(acting_here)
    ask_to_sign_in()
    st.logo(_HERE / "logo.svg", size="large")
    try:
        sidebar.draw(find_workspace(), pages, page)
        with st.sidebar:
            _show_account()
        if frame.page().gone:
            _choose_another(page)
        else:
            with frame.anew_if_replaced():
                page.run()
    except CurateError as error:
        show_user_error(error)


def _choose_another(page: Any) -> None:
    """Draw what has become of the dataset, and the way to each other one: nothing else until one is chosen."""
    here = frame.page()
    names = here.workspace.names()

    def draw() -> None:
        for name in names:
            st.page_link(page, label=plain(name), icon=":material/arrow_forward:", query_params={"dataset": name})
        if not names:
            st.page_link(page_file("home"), label="Bring your own images", icon=":material/arrow_forward:")

    story = "Choose another one." if names else "There is no other one."
    with st.container(key="gone"):
        empty_state(plain(here.gone), "link_off", story, draw)


def _show_account() -> None:
    """Draw the signed-in user with their role and a sign-out button; nothing without a login."""
    if not sign_in_configured():
        return
    role = acting().role
    st.caption(f"Signed in as {plain(who())}, {role}")
    with in_a_row():
        if role == Role.OWNER:
            with st.popover("People", icon=":material/group:", type="tertiary", key="frame.people"):
                _roles(open_events(find_workspace().root))
        st.button("Sign out", type="tertiary", icon=":material/logout:", key="frame.sign_out", on_click=st.logout)


def _roles(log: EventLog) -> None:
    rows = [(event.name, event.details, event.who, event.at) for event in roles.roles(log)]
    st.dataframe(pd.DataFrame(rows, columns=["Who", "Role", "Given by", "When"]), hide_index=True, key="frame.roles")
    with st.form("frame.give", border=False):
        help_text = "An e-mail address, `group:NAME` as your provider names it, or `everyone` who can sign in."
        st.text_input("Who", key="frame.give_who", placeholder="ann@example.org", help=help_text)
        st.selectbox("Role", [*map(str, Role), _NONE], key="frame.give_role")
        st.form_submit_button("Give role", type="primary", on_click=attempt, args=(_give, log))


def _give(log: EventLog) -> None:
    subject = st.session_state["frame.give_who"]
    role = st.session_state["frame.give_role"]
    if role == _NONE:
        roles.revoke(log, subject)
    else:
        roles.grant(log, subject, role)


if __name__ == "__main__":
    main()
