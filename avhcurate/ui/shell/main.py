"""The main script: sign-in, navigation, the shared frame, then the page."""

from pathlib import Path

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.ui.base import navigation
from avhcurate.ui.base.frame import show_user_error
from avhcurate.ui.base.layout import POPOVERS
from avhcurate.ui.base.people import show_account
from avhcurate.ui.base.signin import acting_here, ask_to_sign_in
from avhcurate.ui.shell import sidebar
from avhcurate.workspace.data import people
from avhcurate.workspace.data.workspace import find_workspace

_HERE = Path(__file__).parent


def main() -> None:
    st.set_page_config(page_title="AVH Curate", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.html(_HERE / "frame.css")
    st.html(f"<script>{POPOVERS.read_text(encoding='utf-8')}</script>", unsafe_allow_javascript=True)
    pages = navigation.pages()
    page = st.navigation(pages, position="hidden")
    people.ask(acting_here)
    ask_to_sign_in()
    st.logo(_HERE / "logo.svg", size="large")
    try:
        sidebar.draw(find_workspace(), pages, page)
        with st.sidebar:
            show_account()
        page.run()
    except CurateError as error:
        show_user_error(error)


if __name__ == "__main__":
    main()
