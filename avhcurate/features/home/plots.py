"""The chart of a whole dataset: its HSF over the bins."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.ui.charts.chart_style import GREY, bare, faded, leads, of_hsf, ramp

_PALE = faded(GREY, 0.5)


def hsf_histogram(
    bars: pd.DataFrame, counts: Sequence[int], *, edges: Sequence[float], simulated: bool = False
) -> go.Figure:
    """Bars of `low, high, n, to`, in the colour of the bin of their middle; above each bin its n, from `counts`."""
    middle = (bars["low"] + bars["high"]) / 2
    colors = np.array([_PALE, *ramp(len(edges) - 1), _PALE])
    figure = go.Figure()
    figure.add_bar(
        x=middle,
        y=bars["n"],
        width=0.9 * (bars["high"] - bars["low"]),
        marker_color=colors[np.searchsorted(edges, middle, side="right")],
        customdata=bars[["low", "high"]],
        hovertemplate="HSF %{customdata[0]:.2f}–%{customdata[1]:.2f}: %{y:,} images<extra></extra>",
        **leads(bars["n"], bars["to"]),
    )
    # All at once: Plotly checks a figure again for each line that is added.
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": _PALE, "width": 1, "dash": "dot"}}
    note = {"y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
    between = zip(edges, edges[1:], counts, strict=False)
    figure.update_layout(
        shapes=[{"x0": edge, "x1": edge, **line} for edge in edges],
        annotations=[{"x": (low + high) / 2, "text": f"n {n:,}", **note} for low, high, n in between],
    )
    bare(figure, height=270, x=of_hsf(simulated), y="images", margin={"t": 28})
    return figure.update_xaxes(range=[-0.01, 1.01], tickvals=list(edges), tickformat=".2~f", showgrid=False)
