"""The user's own columns on Home: what they hold, which end means harder, and how many samples each value has."""

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.columns import NONE, describe_columns, set_harder
from avhcurate.datasets.table.own_columns import FEW
from avhcurate.ui.frame import Opened, attempt, mirrored
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.score_help import value_text
from avhcurate.ui.signin import for_curators
from avhcurate.ui.text import shortened

#: In place of a column, the classes.
CLASSES = "label"
_ENDS = {"high": "High", "low": "Low", NONE: "Not said"}


def own_columns(page: Opened) -> None:
    """The columns with what they hold, and the harder end of each that holds numbers; nothing where there are none."""
    table = page.table
    if not table.kinds:
        return
    with st.expander(f"Your columns ({len(table.kinds):,})", icon=":material/table_chart:", key="home.columns"):
        st.dataframe(_described(page), hide_index=True, key="home.columns_held")
        numbers = table.own("number")
        if not numbers:
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            column = st.selectbox(
                "Column", numbers, format_func=lambda name: shortened(name, 60), key="home.column", width=320
            )
            look = for_curators(
                help="Which end of it means a harder sample. It is kept with the dataset: the gallery then begins "
                "there, and correlations are read by it."
            )
            st.segmented_control(
                "Harder end",
                list(_ENDS),
                format_func=_ENDS.__getitem__,
                required=True,
                # Its own for each column: what it showed of the last one is no choice about this one.
                key=mirrored(f"home.harder.{column}", table.ranked[column].harder or NONE),
                on_change=_say_harder,
                args=(page, column),
                **look,
            )


def choose_group(page: Opened) -> str:
    """What the samples are counted by: classes, or a column of few values."""
    groups = page.table.groups
    if not groups:
        st.markdown("**Classes**")
        return CLASSES
    names = {CLASSES: "Classes"} | {name: shortened(name, 60) for name in groups}
    return one_of("home.group", list(names), CLASSES).show(
        st.selectbox, "Samples by", page.view, names, label_visibility="collapsed", width=240
    )


def value_counts(page: Opened, column: str) -> pd.DataFrame:
    """`name, n` of the values of a column among the samples in view, most first."""
    kind = page.table.kinds[column]
    counts = page.table.group_counts(column, page.filters, limit=FEW + 1)
    names = [shortened(value_text(kind, None if pd.isna(value) else value), 40) for value in counts["value"]]
    return pd.DataFrame({"name": names, "n": counts["n"]})


def _described(page: Opened) -> pd.DataFrame:
    rows = describe_columns(page.table).to_dict("records")
    return pd.DataFrame(
        {
            "Column": [shortened(row["column"], 100) for row in rows],
            "Holds": [row["kind"] for row in rows],
            "Samples": [row["samples"] for row in rows],
            "Values": ["" if pd.isna(row["values"]) else f"about {row['values']:,}" for row in rows],
            "From": [_end(row["kind"], row["low"]) for row in rows],
            "To": [_end(row["kind"], row["high"]) for row in rows],
            "Harder": [row["harder"] for row in rows],
        }
    )


def _end(kind: str, value: object) -> str:
    return "" if pd.isna(value) else value_text(kind, value)  # type: ignore[call-overload]


def _say_harder(page: Opened, column: str) -> None:
    attempt(set_harder, page.workspace, page.table, {column: st.session_state[f"home.harder.{column}"]})
