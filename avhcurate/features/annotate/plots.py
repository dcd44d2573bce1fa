"""Charts of a collection: votes over time, votes of each sample, and convergence of HSF."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from avhcurate.ui.chart_style import ABOVE, BLUE, GREY, ORANGE, SERIES, SYMBOLS, as_text, bare, faded, note_above

#: Annotators with a line of their own; the others are one line together.
_LINES = 4
#: Points of a line: more cannot be distinguished.
_POINTS = 400
_OTHERS = "others"


def votes_over_time(votes: pd.DataFrame) -> go.Figure:
    """Return the number of votes so far against time, from rows of `at, annotator`, a line for each of the busiest."""
    order = votes["annotator"].value_counts(sort=True)
    names = list(order.index[:_LINES])
    who = votes["annotator"].where(votes["annotator"].isin(names), _OTHERS)
    if len(order) > _LINES:
        names.append(_OTHERS)
    figure = go.Figure()
    for name, color, symbol in zip(names, [*SERIES[:_LINES], GREY], SYMBOLS, strict=False):
        at = votes.loc[who == name, "at"].sort_values()
        place = np.unique(np.linspace(0, len(at) - 1, min(_POINTS, len(at))).round().astype(np.int64))
        figure.add_scatter(
            x=at.iloc[place],
            y=place + 1,
            mode="lines+markers" if len(place) == 1 else "lines",
            line={"shape": "hv", "width": 2, "color": color},
            marker={"color": color, "symbol": symbol},
            name=as_text(str(name)),
            hovertemplate="%{fullData.name}: %{y:,} votes by %{x}<extra></extra>",
        )
    bare(figure, height=250, y="votes", margin={"t": 30})
    figure.update_layout(showlegend=len(order) > 1, legend=ABOVE)
    return figure.update_yaxes(rangemode="tozero")


def votes_of_samples(each: ArrayLike, *, target: int) -> go.Figure:
    """Return how many samples have 1, 2, ... votes, from the votes of each (N,); those with the target are done.

    The samples without a vote are a number next to the bars: in a new collection they would dwarf them.
    """
    votes = np.asarray(each, np.int64)
    most = max(target, int(votes.max(initial=0)))
    counts = np.bincount(votes, minlength=most + 1)
    number = np.arange(1, len(counts))
    figure = go.Figure()
    figure.add_bar(
        x=number,
        y=counts[1:],
        marker={"color": np.where(number >= target, BLUE, faded(GREY, 0.6))},
        hovertemplate="%{y:,} samples with %{x} votes<extra></extra>",
    )
    figure.add_vline(x=target - 0.5, line={"color": GREY, "width": 1.5, "dash": "dash"})
    if target > 2:
        note_above(figure, target - 0.5, f"target {target} ", anchor="right")
    note_above(figure, 0.5, f"{counts[0]:,} have none yet", anchor="left")
    bare(figure, height=250, x="votes", y="samples", margin={"t": 30})
    return figure.update_xaxes(dtick=_tick(most), range=[0.4, most + 0.6], showgrid=False)


def hsf_course(course: pd.DataFrame) -> go.Figure:
    """Return how HSF of the first v votes of each sample compares with HSF of all.

    Rows of `votes, samples, mean_change, spearman`.
    """
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
    figure.update_xaxes(dtick=_tick(int(course["votes"].max())))
    return figure.update_yaxes(range=[min(-0.03, course["spearman"].min() - 0.03), 1.05])


def _tick(most: int) -> int | None:
    """Return the distance of ticks: one for few votes, else left to Plotly."""
    if most <= 12:
        return 1
    return None
