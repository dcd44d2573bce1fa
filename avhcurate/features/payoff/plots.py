"""The gain of decisions and its interval, as dots; what keeping a share of the images costs, as curves."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from avhcurate.features.payoff.keep_rules import RULES
from avhcurate.features.payoff.rules import Gain
from avhcurate.ui.charts.chart_style import ABOVE, BLUE, GREY, ORANGE, SERIES, bare, faded, intervals

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
    return bare(figure, height=_ROW * len(rows) + 90, x="Change of accuracy, points")


def keep_chart(curve: pd.DataFrame) -> go.Figure:
    """Draw the accuracy of each rule less that of images by chance, in points, against the share that is kept."""
    figure = go.Figure()
    others = iter(SERIES)
    for rule, rows in curve[curve["rule"] != "random"].groupby("rule", sort=False):
        color = ORANGE if rule == "hardest" else next(others)
        points = 100 * rows[["less_random", "low", "high"]]
        figure.add_scatter(
            x=100 * rows["share"],
            y=points["less_random"],
            name=f"{rule}: {RULES[str(rule)]}",
            mode="lines+markers",
            line={"color": color},
            error_y=intervals(points["less_random"], points["low"], points["high"], color=faded(color, 0.5)),
            hovertemplate=f"{rule}, %{{x}} % kept: %{{y:+.1f}} points<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": faded(GREY, 0.8), "dash": "dot"})
    bare(figure, height=360, x="Share kept, %", y="Accuracy less that by chance, points", margin={"t": 90})
    return figure.update_layout(showlegend=True, legend=ABOVE)
