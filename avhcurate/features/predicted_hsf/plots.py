"""The learning curve of predicted HSF, below the noise ceiling."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from avhcurate.features.predicted_hsf.learning_curve import forecast, points_of
from avhcurate.ui.charts.chart_style import GREY, SLATE, VIOLET, band, bare, faded, intervals, of_hsf
from avhcurate.workspace.data.prediction import PredictionRecord

#: How far the forecast is drawn beyond the voted samples.
_FURTHER = 10


def curve_chart(record: PredictionRecord, target: float) -> go.Figure:
    """Return Spearman with HSF by the number of voted samples, measured and forecast; confidence, ceiling, target."""
    points = points_of(record).dropna(subset="rho")
    learnt = points["learnt"].to_numpy()
    curve = forecast(points)
    figure = go.Figure()
    if record.ceiling_high is not None:
        ends = {"y0": record.ceiling_low, "y1": record.ceiling_high}
        note = _note(f"noise ceiling {record.ceiling_low:.2f} to {record.ceiling_high:.2f}", GREY)
        figure.add_hrect(**ends, fillcolor=faded(GREY, 0.25), line_width=0, layer="below", annotation=note)
    lines = {"confidence": (record.confidence_rho, VIOLET), "target": (target, SLATE)}
    for name, (value, color) in lines.items():
        if value is not None:
            line = {"color": color, "width": 1.5, "dash": "dot"}
            figure.add_hline(y=value, line=line, annotation=_note(f"{name} {value:.2f}", color))
    if curve is not None:
        further = np.geomspace(learnt[0], learnt[-1] * _FURTHER, 60)
        figure.add_scatter(**band(further, *curve.band(further), faded(SLATE, 0.1)))
        figure.add_scatter(
            x=further,
            y=curve.rho(further),
            mode="lines",
            line={"color": faded(SLATE, 0.6), "dash": "dash"},
            hovertemplate="forecast for %{x:,.0f} images: %{y:.3f}<extra></extra>",
        )
    figure.add_scatter(
        x=learnt,
        y=points["rho"],
        mode="markers+lines",
        marker={"size": 9, "color": SLATE},
        error_y=intervals(points["rho"], points["low"], points["high"]),
        hovertemplate="votes on %{x:,.0f} images: %{y:.3f}<extra></extra>",
    )
    bare(figure, height=320, x="images with votes", y=f"Spearman with {of_hsf(record.votes_simulated)}")
    return figure.update_xaxes(type="log", tickvals=learnt, tickformat=",.0f")


def _note(text: str, color: str) -> dict[str, Any]:
    return {"text": text, "font": {"color": color, "size": 12}, "xanchor": "right", "x": 1}
