"""Charts with a row per class: of very many classes the extremes, the spread of all, and a way to find one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from avhcurate.ui.chart_style import BLUE, GREY, bare, faded
from avhcurate.ui.charts import show_chart
from avhcurate.ui.user_errors import plain

#: More rows in one chart cannot be read.
MOST_CLASSES = 24
_HALF = MOST_CLASSES // 2
#: Bars of the histogram over all classes.
_BARS = 40


@dataclass(frozen=True)
class ClassRows:
    """The rows of a chart, in their order; of `matching` classes `left_out` are not shown."""

    rows: pd.DataFrame
    matching: int
    left_out: int = 0


def few_classes(rows: pd.DataFrame, value: pd.Series, names: pd.Series, *, find: str = "") -> ClassRows:
    """Return at most `MOST_CLASSES` of `rows`: all of a few, in their order; else the highest and lowest by `value`.

    `find` keeps the classes whose name in `names` contains it. A class without a value is never an extreme.

    >>> rows = pd.DataFrame({"name": [f"class {k}" for k in range(1000)]})
    >>> few_classes(rows, pd.Series(range(1000)), rows["name"]).rows.index[[0, 11, 12, 23]].tolist()
    [999, 988, 11, 0]
    >>> few_classes(rows, pd.Series(range(1000)), rows["name"], find="CLASS 99").matching
    11
    """
    if find:
        found = names.str.contains(find, case=False, regex=False).to_numpy()
        rows, value = rows[found], value[found]
    if len(rows) <= MOST_CLASSES:
        return ClassRows(rows, len(rows))
    order = value.dropna().sort_values(ascending=False, kind="stable").index
    ends = order[:_HALF].append(order[_HALF:][-_HALF:])
    return ClassRows(rows.loc[ends], len(rows), len(rows) - len(ends))


def choose_classes(rows: pd.DataFrame, value: pd.Series, *, names: str, what: str, key: str) -> pd.DataFrame:
    """Return the rows to draw of a table with a row per class; of many, draw a way to find one and the spread of all.

    `names` is the column of the class names; `what` says what `value` is, in the plural or without a number.
    """
    if len(rows) <= MOST_CLASSES:
        return rows
    find = find_class(len(rows), key=f"{key}.find")
    show_chart(spread(value, what), key=f"{key}.spread")
    shown = few_classes(rows, value, rows[names].astype(str), find=find)
    st.caption(_about(shown, len(rows), what, find))
    return shown.rows


def find_class(classes: int, *, key: str) -> str:
    """Ask for a part of a class's name, "" for any."""
    return st.text_input(
        "Find a class",
        key=key,
        placeholder=f"Find among {classes:,} classes",
        icon=":material/search:",
        label_visibility="collapsed",
        width=300,
    ).strip()


def spread(value: pd.Series, what: str) -> go.Figure:
    """Return a histogram of how many classes have which value, (K,), with the median marked."""
    known = value.dropna().to_numpy(float)
    counts, edges = np.histogram(known, bins=min(_BARS, max(1, len(np.unique(known)))))
    figure = go.Figure()
    figure.add_bar(
        x=(edges[1:] + edges[:-1]) / 2,
        y=counts,
        width=0.92 * np.diff(edges),
        marker={"color": BLUE},
        customdata=np.stack([edges[:-1], edges[1:]], axis=1),
        hovertemplate="%{customdata[0]:.4g} to %{customdata[1]:.4g}: %{y:,} classes<extra></extra>",
    )
    if len(known):
        figure.add_vline(x=float(np.median(known)), line={"color": faded(GREY, 0.9), "width": 1.5, "dash": "dot"})
    bare(figure, height=150, x=f"{what}; median dotted", y="classes")
    return figure.update_yaxes(nticks=4)


def _about(shown: ClassRows, classes: int, what: str, find: str) -> str:
    among = f"All {classes:,} classes."
    if find:
        among = f"{shown.matching:,} of {classes:,} classes have “{plain(find)}” in their name."
    if not shown.left_out:
        return among
    ends = f"the {_HALF} highest and the {_HALF} lowest by {what}"
    return f"{among} Below: {ends}; {shown.left_out:,} between them are only in the histogram."
