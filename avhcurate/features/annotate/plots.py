"""Charts of a collection: votes over time and votes of each sample."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.charts.chart_style import (
    ABOVE,
    BLUE,
    GREY,
    SERIES,
    SLATE,
    as_text,
    bare,
    faded,
    leads,
)

#: Points of a line: more cannot be distinguished.
_POINTS = 400
_OTHERS = "others"


def votes_over_time(votes: pd.DataFrame) -> go.Figure:
    """Return the number of votes so far against time, from rows of `at, annotator`, a line for each of the busiest."""
    busiest = votes["annotator"].value_counts().index[: len(SERIES) - 1]
    names = votes["annotator"].where(votes["annotator"].isin(busiest), _OTHERS)
    figure = go.Figure()
    for name, color in zip([*busiest, _OTHERS], [*SERIES[: len(busiest)], GREY], strict=True):
        at = votes["at"][names == name].sort_values()
        place = np.unique(np.linspace(0, len(at) - 1, min(_POINTS, len(at))).round().astype(np.int64))
        if len(at):
            line = {"shape": "hv", "width": 2, "color": color}
            figure.add_scatter(x=at.iloc[place], y=place + 1, mode="lines", line=line, name=as_text(str(name)))
    bare(figure, height=250, y="votes", margin={"t": 30})
    return figure.update_layout(showlegend=True, legend=ABOVE).update_yaxes(rangemode="tozero")


def votes_of_samples(votes: np.ndarray, *, target: int) -> go.Figure:
    """Return how many samples have 1, 2, ... votes, from the votes of each (N,); those with the target are done.

    The samples without a vote are a number below the bars: in a new collection they would dwarf them.
    """
    counts = np.bincount(votes, minlength=target + 1)
    number = np.arange(1, len(counts))
    # Also of excluded images: votes are counted over the whole dataset.
    images = [Filters(excluded=None, ids=tuple(np.flatnonzero(votes == count).tolist())) for count in number]
    figure = go.Figure()
    figure.add_bar(
        x=number,
        y=counts[1:],
        marker={"color": np.where(number >= target, SLATE, faded(GREY, 0.6))},
        hovertemplate="%{y:,} images with %{x} votes<extra></extra>",
        **leads(counts[1:], images),
    )
    return bare(figure, height=250, x=f"votes ({counts[0]:,} images have none yet)", y="images", margin={"t": 30})


def coverage_curve(covered: np.ndarray, at_random: np.ndarray) -> go.Figure:
    """Return the share covered (n,) by the number of images, chosen and at random."""
    figure = go.Figure()
    number = np.arange(1, len(covered) + 1)
    lines = {
        "varied and uncertain": (covered, {"color": BLUE}),
        "at random": (at_random, {"color": GREY, "dash": "dash"}),
    }
    for name, (values, line) in lines.items():
        hover = f"{name}, %{{x:,}} images: %{{y:.1%}}<extra></extra>"
        figure.add_scatter(x=number, y=values, mode="lines", name=name, line=line, hovertemplate=hover)
    bare(figure, height=250, x="images with an answer", y="of the dataset covered", margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
    return figure.update_yaxes(tickformat=".0%", rangemode="tozero")
