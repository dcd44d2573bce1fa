"""Popovers that close when what they ask for is done."""

from typing import Any

import streamlit as st


def closing_popover(label: str, *, key: str, **look: Any) -> Any:
    """A popover that `close_popover` closes."""
    return st.popover(label, key=f"{key}.{st.session_state.get(_turn(key), 0)}", **look)


def close_popover(key: str) -> None:
    """Closes a popover with the next run: under another key it is a new one."""
    st.session_state[_turn(key)] = st.session_state.get(_turn(key), 0) + 1


def _turn(key: str) -> str:
    return f"{key}.turn"
