"""Part of the Annotators page: which votes HSF uses; collected, imported and simulated ones stand apart."""

import pandas as pd
import streamlit as st

from avhcurate.annotate import setup
from avhcurate.curate.annotations import user
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.signin import who
from avhcurate.ui.text import counted
from avhcurate.ui.user_errors import plain
from avhcurate.votes.hsf_source import SOURCES, HsfSource

_ORIGINS = {"k-way": "K-way votes", "tick": "Ticks", "simulated": "Simulated votes"}


def source_line(here: Opened, source: HsfSource) -> None:
    """Which votes HSF uses, with a choice where there is one."""
    available = here.table.counter.sources()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":material/how_to_vote: {plain(source_text(source))}", width="stretch")
        with st.popover("Source of HSF", icon=":material/tune:", key="annotators.source"):
            _source_form(here, source, available)
    unused = [f"{number:,} {_ORIGINS[key].lower()}" for key, number in available.items() if key != source.key]
    if unused:
        st.caption(f"Kept apart and not counted: {' and '.join(unused)}.")


def source_text(source: HsfSource) -> str:
    """The source in one sentence.

    >>> source_text(HsfSource("tick", "auto", None, 0, 120, 2, 1))
    'HSF comes from 120 ticks that 2 annotators gave in the app; 1 annotator is left out.'
    """
    if source.key is None:
        return "There are no votes yet."
    if source.key == "simulated":
        return f"HSF comes from {counted(source.imported, 'simulated vote')}, not from people."
    what = "tick" if source.key == "tick" else "vote"
    parts = [counted(source.imported, f"imported {what}")] if source.imported else []
    if source.collected:
        parts.append(
            f"{counted(source.collected, what)} that {counted(source.annotators, 'annotator')} gave in the app"
        )
    out = f"; {counted(source.left_out, 'annotator')} {'is' if source.left_out == 1 else 'are'} left out"
    return f"HSF comes from {' and '.join(parts)}{out if source.left_out else ''}."


def _source_form(here: Opened, source: HsfSource, available: dict[str, int]) -> None:
    rows = [{"Votes": _ORIGINS.get(key, key), "Number": number} for key, number in available.items()]
    if rows:
        number = st.column_config.NumberColumn(format="localized")
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="annotators.available", column_config={"Number": number})
    options = ["auto", *(key for key in SOURCES if key in available)]
    with st.form("annotators.choose", border=False):
        st.radio(
            "Source",
            options,
            index=options.index(source.chosen) if source.chosen in options else 0,
            format_func=_origin,
            key="annotators.chosen",
        )
        st.number_input(
            "Least control accuracy",
            0.0,
            1.0,
            source.control_filter,
            step=0.05,
            placeholder="off",
            key="annotators.control_filter",
            help="Annotators below it are left out, now and as they come. Empty is off, which is ImageNetV2's way.",
        )
        st.form_submit_button("Use", type="primary", on_click=_choose, args=(here,))
    st.caption("K-way votes and ticks are different measures, so they are never added up; nor are simulated ones.")


def _origin(key: str) -> str:
    name, text = _ORIGINS.get(key, "Automatic"), SOURCES[key]
    return f"{name}: {text}"


def _choose(here: Opened) -> None:
    attempt(
        setup.choose_source,
        here.table,
        chosen=st.session_state["annotators.chosen"],
        control_filter=st.session_state["annotators.control_filter"],
        who=who() or user(),
        done="HSF uses it now",
    )
