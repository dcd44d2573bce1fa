"""The chart of pseudo-labels: their accuracy by portion."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.ui.charts.chart_style import ABOVE, GREY, SERIES, SYMBOLS, band, bare, faded


def accuracy_by_portion(curve: pd.DataFrame, *, rule: str, portion: float, names: dict[str, str]) -> go.Figure:
    """Lines of `rule, portion, n, accuracy, low, high`, one a rule, with the interval of `rule` as a band.

    `names` are the rules by key, in order; the chosen portion is marked.
    """
    figure = go.Figure()
    figure.add_vline(x=portion, line={"color": faded(GREY, 0.7), "width": 1, "dash": "dot"})
    for number, (key, name) in enumerate(names.items()):
        rows = curve[curve["rule"] == key].sort_values("portion")
        color = SERIES[number]
        width = 1.5
        size = 6
        if key == rule:
            width = 3
            size = 8
            portions, low, high = (rows[column].to_numpy(float) for column in ("portion", "low", "high"))
            figure.add_scatter(**band(portions, low, high, faded(color, 0.15)), name=f"{name}, 95 % interval")
        figure.add_scatter(
            x=rows["portion"],
            y=rows["accuracy"],
            mode="lines+markers",
            name=name,
            line={"color": color, "width": width},
            marker={"color": color, "symbol": SYMBOLS[number], "size": size},
            customdata=np.stack([rows["n"], rows["low"], rows["high"]], axis=1),
            hovertemplate=f"{name} at %{{x:.2f}}: %{{y:.1%}} [%{{customdata[1]:.1%}}, %{{customdata[2]:.1%}}]<br>"
            "n %{customdata[0]:,}<extra></extra>",
        )
    bare(figure, height=300, x="portion", y="accuracy of the pseudo-labels", margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
    figure.update_xaxes(range=[0, 1.03], tickformat=".1f", showgrid=False)
    return figure.update_yaxes(tickformat=".1%")
