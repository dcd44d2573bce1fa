"""Charts with a row per class: of very many classes only the extremes, and a way to find one."""

import pandas as pd
import streamlit as st

from avhcurate.ui.base.user_errors import plain

#: More rows in one chart cannot be read.
MOST_CLASSES = 24
_HALF = MOST_CLASSES // 2


def choose_classes(rows: pd.DataFrame, value: pd.Series, *, names: str, what: str, key: str) -> pd.DataFrame:
    """Return the rows to draw of a table with a row per class: all of a few, else the highest and lowest by `value`.

    Of many classes the user can find some by a part of their name in the column `names`. `what` says what `value` is,
    in the plural or without a number.
    """
    if len(rows) <= MOST_CLASSES:
        return rows
    find = st.text_input(
        "Find a class",
        key=f"{key}.find",
        placeholder=f"Find among {len(rows):,} classes",
        icon=":material/search:",
        label_visibility="collapsed",
        width=300,
    ).strip()
    caption = f"{len(rows):,} classes."
    if find:
        matches = rows[names].astype(str).str.contains(find, case=False, regex=False)
        rows = rows[matches]
        value = value[matches]
        caption = f"{len(rows):,} classes have “{plain(find)}” in their name."
    if len(rows) > MOST_CLASSES:
        order = value.dropna().sort_values(ascending=False, kind="stable").index
        rows = rows.loc[order[:_HALF].append(order[_HALF:][-_HALF:])]
        caption += f" Shown are the {_HALF} highest and the {_HALF} lowest by {what}."
    st.caption(caption)
    return rows
