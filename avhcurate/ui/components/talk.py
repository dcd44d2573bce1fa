"""Acts that a component asks for until it hears that they are handled: each is taken once, in their order."""

from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st


def new_acts(key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the acts that the component of a key asks for and that were not taken yet, which may hold anything."""
    sent = (st.session_state.get(key) or {}).get("act")
    if not isinstance(sent, list):
        return
    for asked in sent:
        number = asked.get("at") if isinstance(asked, Mapping) else None
        if isinstance(number, int) and number > handled(key):
            st.session_state[f"{key}.handled"] = number
            yield asked


def handled(key: str) -> int:
    """Return the number of the newest act of a component that was taken."""
    return st.session_state.get(f"{key}.handled", 0)
