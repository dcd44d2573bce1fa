"""The button that saves the samples of a page as a named set."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from avhcurate.curate import saved
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.signin import who

Ids = Sequence[int] | np.ndarray


def save_set_button(
    page: Opened, ids: Ids | Callable[[], Ids], *, key: str, label: str = "Save as set", disabled: bool = False
) -> None:
    """A popover that saves samples under a name; `ids` are positions, or a function that gives them when pressed."""
    with st.popover(label, icon=":material/bookmark_add:", key=key, disabled=disabled):
        st.selectbox(
            "Name",
            page.table.sets,
            index=None,
            accept_new_options=True,
            placeholder="Type a new name or choose a set to replace",
            key=f"{key}.name",
        )
        st.button("Save", type="primary", key=f"{key}.save", on_click=_save_set, args=(page, ids, key))


def _save_set(page: Opened, ids: Ids | Callable[[], Ids], key: str) -> None:
    name, chosen = st.session_state[f"{key}.name"] or "", ids() if callable(ids) else ids
    done = f"{len(chosen):,} samples saved as “{name}”"
    attempt(saved.save_set, page.workspace, page.table.dataset.name, name, chosen, who=who(), done=done)
