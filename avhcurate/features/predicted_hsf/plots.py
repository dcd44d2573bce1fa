"""The learning curve of predicted HSF, below the noise ceiling."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.features.predicted_hsf.learning_curve import forecast_of
from avhcurate.ui.chart_style import BLUE, GREY, ORANGE, bare, faded, intervals, of_hsf
from avhcurate.workspace.data.prediction import PredictionRecord

#: How far the forecast is drawn beyond the voted samples.
_FURTHER = 10


def curve_chart(record: PredictionRecord, target: float) -> go.Figure:
    """Return Spearman with HSF by the number of voted samples, measured and forecast; confidence, ceiling, target."""
    points = [point for point in record.curve if point.rho is not None]
    learnt = np.array([point.learnt for point in points], float)
    rho, low, high = (
        pd.Series([getattr(point, end) for point in points], dtype=float) for end in ("rho", "low", "high")
    )
    figure = go.Figure()
    lines = {"ceiling": (record.ceiling, GREY, "dash"), "confidence": (record.confidence_rho, ORANGE, "dot")}
    for name, (value, color, dash) in lines.items():
        if value is not None:
            title = f"noise {name} {value:.2f}" if name == "ceiling" else f"{name} {value:.2f}"
            note = {"text": title, "font": {"color": color, "size": 12}, "xanchor": "right", "x": 1}
            figure.add_hline(y=value, line={"color": color, "width": 1.5, "dash": dash}, annotation=note)
    figure.add_hline(
        y=target,
        line={"color": faded(BLUE, 0.45), "width": 1},
        annotation={"text": "target", "x": 0, "xanchor": "left"},
    )
    if (found := forecast_of(record)) is not None:
        further = np.geomspace(learnt[0], learnt[-1] * _FURTHER, 60)
        below, above = found.band(further)
        figure.add_scatter(
            x=np.concatenate([further, further[::-1]]),
            y=np.concatenate([above, below[::-1]]),
            fill="toself",
            fillcolor=faded(BLUE, 0.1),
            line={"width": 0},
            hoverinfo="skip",
            name="forecast, 95 %",
        )
        figure.add_scatter(
            x=further,
            y=found.rho(further),
            mode="lines",
            line={"color": faded(BLUE, 0.6), "dash": "dash"},
            name="forecast",
            hovertemplate="forecast for %{x:,.0f} images: %{y:.3f}<extra></extra>",
        )
    figure.add_scatter(
        x=learnt,
        y=rho,
        mode="markers+lines",
        marker={"size": 9, "color": BLUE},
        line={"color": BLUE},
        error_y=intervals(rho, low, high),
        name="measured",
        hovertemplate="votes on %{x:,.0f} images: %{y:.3f}<extra></extra>",
    )
    ends = [0.0, *(value for value in (target, record.ceiling, record.confidence_rho, *high) if value is not None)]
    bare(figure, height=320, x="images with votes", y=f"Spearman with {of_hsf(record.votes_simulated)}")
    figure.update_yaxes(range=[min(0.0, float(np.nanmin(low, initial=0.0))), float(np.nanmax(ends)) + 0.06])
    return figure.update_xaxes(type="log", tickvals=learnt, tickformat=",.0f")
