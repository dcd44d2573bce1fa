"""Exclusion of annotators by a rule on the Annotators page: whom it would leave out, doing it, undoing it."""

import streamlit as st

from avhcurate.features.annotate import exclusion
from avhcurate.features.annotate.annotators import VoteQuality
from avhcurate.features.annotate.exclusion import LeftOut
from avhcurate.features.annotate.settings import AnnotatorsSettings
from avhcurate.people.annotators import LEAST_COMPARED, LEAST_CONTROLS, LEAST_TIMED
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.workspace.data.people import user

_WIDTH = 210


def exclusion_rule(page: Opened, quality: VoteQuality) -> None:
    """Draw limits that annotators must keep, who and how many votes they leave out, and buttons to do and undo it."""
    with st.expander("Exclude by a rule", icon=":material/rule:"):
        with in_a_row():
            limits = AnnotatorsSettings(
                dataset=page.dataset.name,
                control_accuracy=_least_share("Controls right", "control_accuracy", f"{LEAST_CONTROLS} controls"),
                agreement=_least_share("Agreement", "agreement", f"{LEAST_COMPARED} votes to compare"),
                seconds=st.number_input(
                    "Median seconds, at least",
                    0.0,
                    value=None,
                    step=0.1,
                    key="annotators.rule.seconds",
                    placeholder="no limit",
                    help=f"Of an image or a tile of a grid. It judges annotators with {LEAST_TIMED} timed answers.",
                    width=_WIDTH,
                ),
                answers=st.number_input(
                    "Answers, at least",
                    0,
                    value=None,
                    key="annotators.rule.answers",
                    placeholder="no limit",
                    width=_WIDTH,
                ),
            )
        _buttons(page, exclusion.left_out_by(page.votes, quality.table, limits.rule))


def _least_share(label: str, key: str, evidence: str) -> float | None:
    """Return the least share that is asked for in percent; None without one."""
    help = f"It judges annotators with {evidence}."
    key = f"annotators.rule.{key}"
    percent = st.number_input(
        f"{label}, at least", 0, 100, None, step=5, key=key, placeholder="% (no limit)", help=help, width=_WIDTH
    )
    if percent is None:
        return None
    return percent / 100


def _buttons(page: Opened, outside: LeftOut) -> None:
    """Draw whom a rule leaves out, and the buttons that exclude them and take the last exclusion back."""
    if outside.rows.empty:
        st.caption("These limits leave out nobody who counts. Whom somebody excluded or included by hand stays so.")
    else:
        st.markdown(f"Leaves out **{outside.text}**. Their answers stay in the log.")
        rows = outside.rows.set_axis(["Annotator", "Votes", "Why"], axis=1)
        st.dataframe(rows, hide_index=True, key="annotators.rule.rows")
    with in_a_row():
        st.button(
            f"Exclude {counted(len(outside.rows), 'annotator')}",
            key="annotators.rule.exclude",
            icon=":material/block:",
            on_click=attempt,
            args=(exclusion.exclude, page.votes, outside.rows),
            kwargs={"who": user(), "done": f"Left out: {outside.text}"},
            **for_curators("Excluding annotators", disabled=outside.rows.empty),
        )
        back = exclusion.standing(page.votes, who=user())
        if back:
            st.button(
                f"Undo your last rule ({counted(len(back), 'annotator')})",
                key="annotators.rule.undo",
                icon=":material/undo:",
                on_click=attempt,
                args=(exclusion.undo, page.votes),
                kwargs={"who": user(), "done": "They count again"},
                **for_curators("Including annotators"),
            )
