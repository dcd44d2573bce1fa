"""Parts of the Annotators page: progress of the collection, and its annotators, excluded or not."""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.annotations import user
from avhcurate.features.annotate import annotators, ui_setup
from avhcurate.features.annotate.plots import votes_of_samples, votes_over_time
from avhcurate.features.annotate.queue import CollectionProgress
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.vote_quality import VoteQuality
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.layout import fact, halves, in_a_row
from avhcurate.ui.base.signin import for_curators, only_for
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.show import show_chart
from avhcurate.workspace.data.people import Role


def progress_facts(progress: CollectionProgress, settings: CollectionSettings) -> None:
    """Draw the numbers of votes, of samples that have enough of them, and of annotators."""
    wanted = progress.samples * settings.target
    with in_a_row("top", gap="medium"):
        fact("Votes collected", f"{progress.votes:,}", f"of {wanted:,} wanted")
        fact("Votes per image", f"{progress.votes / max(1, progress.samples):.1f}", f"{settings.target} wanted")
        fact("Images done", f"{progress.done:,}", f"of {progress.samples:,}")
        fact("Annotators", f"{progress.annotators:,}", ui_setup.DESIGNS[settings.design].lower())
    st.progress(min(1.0, progress.votes / max(1, wanted)))


def progress_charts(quality: VoteQuality, settings: CollectionSettings) -> None:
    """Draw votes over time, and how many votes the samples have."""
    left, right = halves()
    with left:
        st.markdown("**Votes over time**")
        show_chart(votes_over_time(quality.votes), key="annotators.time")
    with right:
        st.markdown("**Votes of each image**")
        show_chart(votes_of_samples(quality.each, target=settings.target), key="annotators.each")


def annotators_table(page: Opened, quality: VoteQuality) -> None:
    """Draw a row per annotator; some can be excluded or included, or the answers of one removed for good."""
    st.header("Annotators")
    share = st.column_config.NumberColumn
    st.dataframe(
        shown(quality.table),
        hide_index=True,
        key="annotators.table",
        column_config={
            "Votes": share(help="Without answers to controls, whose class is known."),
            "Cannot tell": share(help="Answers that are kept but are not votes."),
            "Controls right": share(format="%.0f %%", help="Right answers to images whose answer is known."),
            "Agreement": share(format="%.0f %%", help="Votes that say what most others say of the same image."),
            "Median time": share(format="%.1f s", help="Of an image or a tile of a grid."),
            "Last seen": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    _actions(page, quality.table.set_index("annotator"))


def status_history(page: Opened) -> None:
    """Draw who was excluded and included, when, why and by whom."""
    rows = annotators.status_changes(page.table)
    if len(rows):
        with st.expander(f"Exclusions and inclusions ({len(rows):,})", icon=":material/history:"):
            rows.columns = ["When", "Annotator", "Action", "Why", "By"]
            st.dataframe(rows, hide_index=True, key="annotators.history")


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table in the form shown: shares in percent with 95 % intervals (Wilson) and n, times in seconds."""
    table = pd.DataFrame({"Annotator": rows["annotator"], "Votes": rows["votes"], "Cannot tell": rows["skipped"]})
    table["State"] = ("excluded (" + rows["by"] + "): " + rows["why"]).where(rows["excluded"], "counts")
    for title, share, ends, number in (
        ("Controls right", "control_accuracy", "control", "controls"),
        ("Agreement", "agreement", "agreement", "compared"),
    ):
        columns = [100 * rows[name].astype(float) for name in (f"{ends}_low", f"{ends}_high")]
        table[title] = 100 * rows[share].astype(float)
        table[f"{title}, 95 %"] = [
            f"{low:.0f}–{high:.0f} %, n {n:,}" if n else "n 0"
            for low, high, n in zip(*columns, rows[number], strict=True)
        ]
    return table.assign(**{"Median time": rows["median_ms"].astype(float) / 1000, "Last seen": rows["last"]})


def _actions(page: Opened, rows: pd.DataFrame) -> None:
    with in_a_row():
        chosen = st.multiselect("Annotators to change", rows.index.tolist(), key="annotators.chosen")
        st.text_input("Reason", key="annotators.why", width=240)
        excluded = [name for name in chosen if rows.loc[name, "excluded"]]
        counting = [name for name in chosen if name not in excluded]
        for verb, icon, names in (("Exclude", "block", counting), ("Include", "undo", excluded)):
            st.button(
                verb,
                key=f"annotators.{verb.lower()}",
                icon=f":material/{icon}:",
                **for_curators(f"{verb[:-1]}ing annotators", disabled=not names),
                on_click=_set_status,
                args=(page, verb.lower(), names),
            )
    if len(chosen) == 1:
        with st.popover("Withdraw …", icon=":material/delete_forever:", type="tertiary", key="annotators.withdraw"):
            _withdrawal(page, chosen[0], int(rows.loc[chosen[0], "answers"]))


def _withdrawal(page: Opened, name: str, answers: int) -> None:
    st.write(
        f"All {answers:,} answers of **{plain(name)}** on this dataset are deleted, and the name with them. "
        "**This cannot be undone.** To keep the answers and not count them, exclude the annotator instead."
    )
    typed = st.text_input("Type the name to confirm", key="annotators.confirm")
    st.button(
        f"Delete {answers:,} answers",
        type="primary",
        key="annotators.really",
        on_click=attempt,
        args=(annotators.withdraw, page.table, name),
        kwargs={"done": f"The answers of {name} are deleted"},
        **only_for(Role.OWNER, "Removing the answers of others", disabled=typed.strip() != name),
    )


def _set_status(page: Opened, action: Literal["exclude", "include"], names: Sequence[str]) -> None:
    why: Any = ""
    if action == "exclude":
        why = st.session_state["annotators.why"]
    for name in names:
        done = f"{name}: {action}d"
        attempt(annotators.set_status, page.table, name, action, why=why, who=user(), done=done)
