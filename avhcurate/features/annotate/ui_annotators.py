"""Parts of the Annotators page: progress of the collection, and its annotators, excluded or not."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.annotations import user
from avhcurate.features.annotate import annotators, ui_setup
from avhcurate.features.annotate.plots import votes_of_samples, votes_over_time
from avhcurate.features.annotate.queue import CollectionProgress
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.vote_quality import VoteQuality
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened, attempt, while_allowed
from avhcurate.ui.layout import fact, halves
from avhcurate.ui.signin import for_curators, only_for, who
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.people import Role

#: Session state: whose answers somebody is about to remove.
_LEAVING = "annotators.leaving"


def progress_facts(progress: CollectionProgress, settings: CollectionSettings) -> None:
    """Draw the numbers of votes, of samples that have enough of them, and of annotators."""
    share = progress.votes / max(1, progress.wanted)
    with st.container(horizontal=True, gap="medium"):
        kind = {"select": "ticks and passes", "classify": "choices of a class"}[settings.design]
        fact("Votes collected", f"{progress.votes:,}", f"{100 * share:.0f} % of {progress.wanted:,} wanted, {kind}")
        each = progress.votes / max(1, progress.samples)
        fact("Votes per sample", f"{each:.1f}", f"{settings.target} wanted")
        fact("Samples done", f"{progress.done:,}", f"of {progress.samples:,}")
        fact("Annotators", f"{progress.annotators:,}", ui_setup.DESIGNS[settings.design].lower())
    st.progress(min(1.0, share))


def progress_charts(quality: VoteQuality, settings: CollectionSettings) -> None:
    """Draw votes over time, and how many votes the samples have."""
    left, right = halves()
    with left:
        st.markdown("**Votes over time**")
        show_chart(votes_over_time(quality.votes), key="annotators.time")
    with right:
        st.markdown("**Votes of each sample**")
        show_chart(votes_of_samples(quality.each, target=settings.target), key="annotators.each")


def annotators_table(page: Opened, quality: VoteQuality) -> None:
    """Draw a row per annotator; selected ones can be excluded or included, or their answers removed for good."""
    st.header("Annotators")
    rows = quality.table
    event: Any = st.dataframe(
        shown(rows),
        hide_index=True,
        key=table_key(rows),
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_columns(),
        row_height=30,
    )
    names = rows["annotator"].tolist()
    chosen = [names[row] for row in event["selection"]["rows"] if row < len(names)]
    _actions(page, rows, chosen)


def status_history(page: Opened) -> None:
    """Draw who was excluded and included, when, why and by whom."""
    rows = annotators.status_changes(page.table)
    if not len(rows):
        return
    with st.expander(f"Exclusions and inclusions ({len(rows):,})", icon=":material/history:"):
        st.dataframe(
            rows.set_axis(["When", "Annotator", "Action", "Why", "By"], axis=1),
            hide_index=True,
            key="annotators.history",
        )


def table_key(rows: pd.DataFrame) -> str:
    """Return the table's key, another one when an annotator comes or goes, so that a selected row stays the same."""
    return f"annotators.table.{blake2b(repr(rows['annotator'].tolist()).encode(), digest_size=6).hexdigest()}"


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is shown: shares in percent with intervals, times in seconds, the state in words."""
    return pd.DataFrame(
        {
            "Annotator": rows["annotator"],
            "State": [_state(row) for row in rows.to_dict("records")],
            "Votes": rows["votes"],
            "Controls right": 100 * rows["control_accuracy"].astype(float),
            "Controls": [_of(row, "control", "controls") for row in rows.to_dict("records")],
            "Agreement": 100 * rows["agreement"].astype(float),
            "Compared": [_of(row, "agreement", "compared") for row in rows.to_dict("records")],
            "Median time": rows["median_ms"].astype(float) / 1000,
            "Last seen": rows["last"],
        }
    )


def _state(row: dict[Any, Any]) -> str:
    if not row["excluded"]:
        return "counts"
    return f"excluded ({row['by']}): {row['why']}"


def _of(row: dict[Any, Any], ends: str, number: str) -> str:
    """Return the interval of a share and the number of answers behind it; empty without answers."""
    if not row[number]:
        return ""
    return f"{100 * row[f'{ends}_low']:.0f}–{100 * row[f'{ends}_high']:.0f} %, n {int(row[number]):,}"


def _columns() -> dict[str, Any]:
    share: dict[str, Any] = {"format": "%.0f %%", "min_value": 0, "max_value": 100}
    return {
        "Controls right": st.column_config.ProgressColumn(
            **share, help="Share of right answers to images whose answer is known."
        ),
        "Controls": st.column_config.TextColumn(help="95 % interval (Wilson), and how many controls were answered."),
        "Agreement": st.column_config.ProgressColumn(
            **share, help="Share of votes that say what most of the other annotators say of the same image."
        ),
        "Compared": st.column_config.TextColumn(help="95 % interval (Wilson), and how many votes could be compared."),
        "Median time": st.column_config.NumberColumn(
            format="%.1f s", help="Median from the image on screen to the answer; for a grid, of one tile."
        ),
        "Last seen": st.column_config.DatetimeColumn(format="distance"),
        "State": st.column_config.TextColumn(width="small", help="Whether the votes count; else by whom and why not."),
    }


def _actions(page: Opened, rows: pd.DataFrame, chosen: Sequence[str]) -> None:
    if not chosen:
        st.caption("Select rows to exclude annotators, to include them again, or to remove their answers for good.")
        return
    excluded = set(rows.loc[rows["excluded"].astype(bool), "annotator"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(f"{len(chosen)} selected", color="blue")
        st.text_input("Reason", key="annotators.why", placeholder="Reason", label_visibility="collapsed", width=240)
        st.button(
            "Exclude",
            key="annotators.exclude",
            icon=":material/block:",
            **for_curators("Excluding annotators", disabled=set(chosen) <= excluded),
            on_click=_set_status,
            args=(page, "exclude", [name for name in chosen if name not in excluded]),
        )
        st.button(
            "Include",
            key="annotators.include",
            icon=":material/undo:",
            **for_curators("Including annotators", disabled=not set(chosen) & excluded),
            on_click=_set_status,
            args=(page, "include", [name for name in chosen if name in excluded]),
        )
        st.button(
            "Withdraw …",
            key="annotators.withdraw",
            icon=":material/delete_forever:",
            type="tertiary",
            **only_for(
                Role.OWNER,
                "Removing the answers of others",
                help="Removes every answer of one annotator for good.",
                disabled=len(chosen) != 1,
            ),
            on_click=_ask,
            args=(chosen[0],),
        )
    if st.session_state.get(_LEAVING) in chosen:
        _confirm_withdrawal(page, rows, st.session_state[_LEAVING])


def _ask(name: str | None = None) -> None:
    st.session_state[_LEAVING] = name


@st.dialog("Remove all answers of an annotator", icon=":material/delete_forever:", on_dismiss=_ask)
@while_allowed
def _confirm_withdrawal(page: Opened, rows: pd.DataFrame, name: str) -> None:
    answers = int(rows.loc[rows["annotator"] == name, "answers"].iloc[0])
    st.write(
        f"All {answers:,} answers of **{plain(name)}** on this dataset are deleted, and the name with them. "
        "**This cannot be undone.** To keep the answers and not count them, exclude the annotator instead."
    )
    typed = st.text_input("Type the name to confirm", key="annotators.confirm")
    if st.button(
        f"Delete {answers:,} answers", type="primary", key="annotators.really", disabled=typed.strip() != name
    ):
        attempt(annotators.withdraw, page.table, name, done=f"The answers of {name} are deleted")
        _ask()
        st.rerun()


def _set_status(page: Opened, action: Literal["exclude", "include"], names: Sequence[str]) -> None:
    why, outcome = "", "counts again"
    if action == "exclude":
        why, outcome = st.session_state.get("annotators.why", ""), "is excluded"
    for name in names:
        done = f"{name} {outcome}"
        attempt(annotators.set_status, page.table, name, action, why=why, who=who() or user(), done=done)
