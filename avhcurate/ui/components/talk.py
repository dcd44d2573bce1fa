"""Acts that a component asks for until it hears that they are handled: each is taken once, in their order."""

from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st


def new_acts(key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the acts that the component of a key asks for and that were not taken yet, which may hold anything.

    An act is taken once the next one is asked for. Where a newer run of the page waits, any use of the session's
    state ends this one: the act on the way then comes again.
    """
    sent = (st.session_state.get(key) or {}).get("act")
    taken = _taken(key)
    if not isinstance(sent, list):
        return
    for asked in sent:
        number = asked.get("at") if isinstance(asked, Mapping) else None
        if isinstance(number, int) and number > taken[0]:
            yield asked
            taken[0] = number


def handled(key: str) -> int:
    """Return the number of the newest act of a component that was taken."""
    return _taken(key)[0]


def _taken(key: str) -> list[int]:
    """Return the one number of a key, in a list so that it changes without touching the session's state."""
    kept: list[int] = st.session_state.setdefault(f"{key}.handled", [0])
    return kept
