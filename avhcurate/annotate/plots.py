"""Charts of a collection: votes over time, votes of each sample, and convergence of HSF."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from avhcurate.ui.chart_style import ABOVE, BLUE, GREY, ORANGE, SERIES, SYMBOLS, as_text, bare, faded, note_above

#: Annotators with a line of their own; the others are one line together.
_LINES = 4
#: Points of a line: more cannot be told apart.
_POINTS = 400
_OTHERS = "others"


def votes_over_time(votes: pd.DataFrame) -> go.Figure:
    """The number of votes so far against time, from rows of `at, annotator`, a line each for who gave most."""
    order = votes["annotator"].value_counts(sort=True)
    names = list(order.index[:_LINES])
    who = votes["annotator"].where(votes["annotator"].isin(names), _OTHERS)
    figure = go.Figure()
    for number, name in enumerate([*names, *([_OTHERS] if len(order) > _LINES else [])]):
        at = votes.loc[who == name, "at"].sort_values()
        place = _thinned(len(at))
        figure.add_scatter(
            x=at.iloc[place],
            y=place + 1,
            mode="lines" if len(place) > 1 else "markers",
            line={"shape": "hv", "width": 2, "color": GREY if name == _OTHERS else SERIES[number]},
            marker={"color": SERIES[number % len(SERIES)], "symbol": SYMBOLS[number % len(SYMBOLS)]},
            name=as_text(str(name)),
            hovertemplate="%{fullData.name}: %{y:,} votes by %{x}<extra></extra>",
        )
    bare(figure, height=250, y="votes", margin={"t": 30})
    figure.update_layout(showlegend=len(order) > 1, legend=ABOVE)
    return figure.update_yaxes(rangemode="tozero")


def votes_of_samples(each: ArrayLike, *, target: int) -> go.Figure:
    """How many samples have 1, 2, ... votes, from the votes of each (N,); those with the target are done.

    The samples without a vote are a number beside the bars: in a collection that begins they would dwarf them.
    """
    votes = np.asarray(each, np.int64)
    most = max(target, int(votes.max()) if len(votes) else 0)
    counts = np.bincount(votes, minlength=most + 1)
    number = np.arange(1, len(counts))
    figure = go.Figure()
    figure.add_bar(
        x=number,
        y=counts[1:],
        marker={"color": [BLUE if n >= target else faded(GREY, 0.6) for n in number]},
        hovertemplate="%{y:,} samples with %{x} votes<extra></extra>",
    )
    figure.add_vline(x=target - 0.5, line={"color": GREY, "width": 1.5, "dash": "dash"})
    if target > 2:
        note_above(figure, target - 0.5, f"target {target} ", anchor="right")
    note_above(figure, 0.5, f"{counts[0]:,} have none yet", anchor="left")
    bare(figure, height=250, x="votes", y="samples", margin={"t": 30})
    return figure.update_xaxes(dtick=1 if most <= 12 else None, range=[0.4, most + 0.6], showgrid=False)


def hsf_course(course: pd.DataFrame) -> go.Figure:
    """How HSF of the first v votes of each sample compares with HSF of all: rows of `votes, samples, mean_change,
    spearman`."""
    figure = go.Figure()
    for column, name, color, symbol in (
        ("spearman", "Spearman with HSF of all votes", BLUE, SYMBOLS[0]),
        ("mean_change", "mean distance from it", ORANGE, SYMBOLS[1]),
    ):
        figure.add_scatter(
            x=course["votes"],
            y=course[column],
            mode="lines+markers",
            name=name,
            line={"color": color, "width": 2},
            marker={"color": color, "symbol": symbol, "size": 7},
            customdata=course[["samples"]].to_numpy(),
            hovertemplate=f"{name}: %{{y:.3f}} after %{{x}} votes<br>%{{customdata[0]:,}} samples<extra></extra>",
        )
    bare(figure, height=270, x="votes of a sample", margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
    most = int(course["votes"].max()) if len(course) else 1
    figure.update_xaxes(dtick=1 if most <= 12 else None)
    return figure.update_yaxes(range=[min(-0.03, course["spearman"].min() - 0.03), 1.05])


def _thinned(count: int) -> np.ndarray:
    """Places of a line's points, the first and the last among them."""
    if count <= _POINTS:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, _POINTS).round().astype(np.int64))
