"""The gain of decisions and its interval, as dots."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from avhcurate.features.payoff.rules import Gain
from avhcurate.ui.charts.chart_style import BLUE, GREY, bare, faded, intervals

_ROW = 44


def gain_dots(gains: Mapping[str, Gain]) -> go.Figure:
    """Draw a dot with its interval for each gain, by its name, in points of accuracy; 0 is a line."""
    rows = pd.DataFrame([vars(gain) for gain in gains.values()], index=list(gains)) * 100
    rows = rows[::-1]
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": faded(GREY, 0.8), "dash": "dot"})
    figure.add_scatter(
        x=rows["gain"],
        y=rows.index,
        mode="markers",
        marker={"color": BLUE, "size": 11},
        error_x=intervals(rows["gain"], rows["low"], rows["high"], color=BLUE, thickness=3),
        hovertemplate="%{y}: %{x:+.2f} points<extra></extra>",
    )
    return bare(figure, height=_ROW * len(rows) + 60, x="Change of accuracy, points")
