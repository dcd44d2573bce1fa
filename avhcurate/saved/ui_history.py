"""The history on the Saved page: who did what, when, filtered by person, action and sample, with Undo."""

import math

import streamlit as st

from avhcurate.curate.history import RULE, describe, filter_options, history_entries, undo_entry
from avhcurate.data.history_log import HistoryEntry
from avhcurate.errors import CurateError
from avhcurate.ui.frame import Opened, attempt, mirrored
from avhcurate.ui.page_choices import Choice, number
from avhcurate.ui.signin import who
from avhcurate.ui.user_errors import plain, show_user_error

_ROWS = 25
_WHO: Choice[str] = Choice("saved.who", "", str)
_ACTION: Choice[str] = Choice("saved.action", "", str)
_SAMPLE = number("saved.sample", -1, low=-1, high=10**12)
_PAGE = number("saved.page", 1, low=1, high=10**9)


def show_history(here: Opened) -> None:
    """The list, newest first."""
    person, action, sample = _narrow(here)
    page = int(_PAGE.of(here.view))
    try:
        found, count = history_entries(
            here.table,
            who=person or None,
            actions=[action] if action else (),
            sample=None if sample < 0 else sample,
            offset=(page - 1) * _ROWS,
            limit=_ROWS,
        )
    except CurateError as error:
        show_user_error(error)
        return
    st.caption(f"**{count:,}** {'entry' if count == 1 else 'entries'}. {RULE}")
    with st.container(gap="xsmall"):
        for entry in found:
            _row(here, entry)
    if not found:
        with st.container(border=True):
            st.write("No entry here: tag, relabel, exclude or save samples, or take a condition out above.")
    if count > _ROWS:
        st.pagination(math.ceil(count / _ROWS), key=_PAGE.key(page), on_change=_PAGE.keep)


def _narrow(here: Opened) -> tuple[str, str, int]:
    person, action, sample = _WHO.of(here.view), _ACTION.of(here.view), int(_SAMPLE.of(here.view))
    known = 0 <= sample < here.table.size
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, choice, chosen, options in (
            ("Who", _WHO, person, filter_options(here.table, "who")),
            ("Action", _ACTION, action, filter_options(here.table, "action")),
        ):
            listed = ["", *options] if chosen in ("", *options) else ["", chosen, *options]
            choice.show(st.selectbox, label, here.view, listed, format_func=lambda text: text or "Any", width=220)
        st.number_input(
            "Sample id",
            0,
            here.table.size - 1,
            key=mirrored(_SAMPLE.name, sample if known else None),
            on_change=_keep_sample,
            placeholder="Any",
            width=160,
        )
    return person, action, sample


def _keep_sample() -> None:
    typed = st.session_state[_SAMPLE.name]
    _SAMPLE.put(_SAMPLE.default if typed is None else typed)


def _row(here: Opened, entry: HistoryEntry) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{entry.at:%Y-%m-%d %H:%M} UTC", width="content")
        about = f" · {entry.samples:,} sample{'s' if entry.samples > 1 else ''}" if entry.samples else ""
        st.markdown(f"**{plain(entry.who)}** {plain(describe(entry, here.table.classes))}{about}", width="stretch")
        if entry.undone_by is not None:
            st.caption(f"undone by {plain(entry.undone_by)}", width="content")
        else:
            st.button(
                "Undo",
                icon=":material/undo:",
                type="tertiary",
                key=f"saved.undo.{entry.key}",
                on_click=_undo,
                args=(here, entry.key),
            )


def _undo(here: Opened, key: str) -> None:
    attempt(undo_entry, here.table, key, who=who(), done="Taken back")
