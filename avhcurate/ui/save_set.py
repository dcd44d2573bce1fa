"""The button that saves the samples of a page as a named set."""

from collections.abc import Sequence
from hashlib import blake2b

import streamlit as st

from avhcurate.curate import saved
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.layout import closing_popover
from avhcurate.ui.signin import for_curators, who


def save_set_button(page: Opened, ids: Sequence[int], *, key: str) -> None:
    """Draw a popover that saves samples, by id, under a name."""
    with closing_popover("Save as set", icon=":material/bookmark_add:", key=key, **for_curators()):
        st.selectbox(
            "Name",
            page.table.sets,
            index=None,
            accept_new_options=True,
            placeholder="Type a new name or choose a set to replace",
            key=f"{key}.name",
        )
        st.button("Save", type="primary", key=f"{key}.save", on_click=_save_set, args=(page, ids, key))


def own_set(name: str) -> str:
    """Return the name of a set that a page overwrites without asking: each user of a shared server has their own."""
    if not who():
        return name
    whole = f"{name} of {who()}"
    if len(whole) <= saved.LONGEST_NAME:
        return whole
    # An address may be longer than a name of a set; the digest keeps people's sets apart.
    return f"{whole[: saved.LONGEST_NAME - 11]} … {blake2b(whole.encode(), digest_size=4).hexdigest()}"


def _save_set(page: Opened, ids: Sequence[int], key: str) -> None:
    name = st.session_state[f"{key}.name"] or ""
    done = f"{len(ids):,} samples saved as “{name}”"
    attempt(saved.save_set, page.workspace, page.table.dataset.name, name, ids, who=who(), done=done, closes=key)
