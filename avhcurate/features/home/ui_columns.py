"""The user's own columns on Home: what they hold, which end means harder, and how many samples each value has."""

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.columns import NONE, describe_columns, set_harder
from avhcurate.datasets.table.columns import FEW, literal, quote
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base.frame import Opened, attempt, mirrored
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import one_of
from avhcurate.ui.base.score_help import format_score
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import shortened

#: In place of a column, the classes.
CLASSES = "label"
_ENDS = {"high": "High", "low": "Low", NONE: "Not said"}
_HARDER = "Which end means a harder image. It is kept with the dataset."


def own_columns(page: Opened) -> None:
    """Draw the columns with what they hold, and the harder end of each that holds numbers."""
    table = page.table
    if not table.kinds:
        return
    with st.expander(f"Your columns ({len(table.kinds):,})", icon=":material/table_chart:", key="home.columns"):
        st.dataframe(_described(page), hide_index=True, key="home.columns_held")
        numbers = table.own("number")
        if not numbers:
            return
        with in_a_row():
            column = st.selectbox("Column", numbers, key="home.column", width=320)
            st.segmented_control(
                "Harder end",
                list(_ENDS),
                format_func=_ENDS.__getitem__,
                required=True,
                # A key for each column, since what it showed of another one is not a choice.
                key=mirrored(f"home.harder.{column}", table.ranked[column].harder or NONE),
                on_change=_set_harder,
                args=(page, column),
                **for_curators(help=_HARDER),
            )


def _described(page: Opened) -> pd.DataFrame:
    rows = describe_columns(page.table)
    for end in ("low", "high"):
        rows[end] = [format_score(name, value) for name, value in zip(rows["column"], rows[end], strict=True)]
    return rows.rename(columns=str.capitalize)


def _set_harder(page: Opened, column: str) -> None:
    attempt(set_harder, page.workspace, page.table, {column: st.session_state[f"home.harder.{column}"]})


def choose_group(page: Opened) -> str:
    """Return what the samples are counted by: classes, or a column of few values."""
    names = {CLASSES: "Classes"} | {name: shortened(name, 60) for name in page.table.groups}
    choice = one_of("home.group", list(names), CLASSES)
    return choice.show(st.selectbox, "Images by", names, label_visibility="collapsed", width=240)


def value_counts(page: Opened, column: str) -> pd.DataFrame:
    """Return `name, n, to` of the values of a column among the samples in view, most first; `to` filters by each."""
    counts = page.table.group_counts(column, page.filters, limit=FEW + 1)
    names = [shortened(format_score(column, value), 40) for value in counts["value"]]
    chosen = [Filters(where=f"{quote(column)}::VARCHAR = {literal(value)}") for value in counts["value"]]
    nothing = Filters(where=f"{quote(column)} IS NULL")
    to = [nothing if pd.isna(value) else one for value, one in zip(counts["value"], chosen, strict=True)]
    return pd.DataFrame({"name": names, "n": counts["n"], "to": to})
