"""Charts of the toy: maps of data, AVH, norm and Bayes error, and curves over the epochs."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.lab.toy.service import ToyResult
from avhcurate.ui.charts.chart_style import ABOVE, GREY, SERIES, SLATE, SYMBOLS, TEAL, VIOLET, bare, faded, ramp

#: From easy to hard, as everywhere in the app.
_HARDNESS = ramp(9)[::-1]
#: Latitudes at which the map of the sphere is marked, in degrees.
_LATITUDES = (-60, -30, 0, 30, 60)
_CURVES = {"avh": ("AVH", SLATE), "norm": ("Norm", VIOLET), "accuracy": ("Accuracy", TEAL), "loss": ("Loss", GREY)}
_DARK = "#1c2333"


def maps(result: ToyResult, epoch: int) -> go.Figure:
    """Draw training data, AVH, norm and Bayes error at an epoch, on an equal-area map of the sphere.

    Lines show where the network's prediction changes. Colours have the range of all epochs, so that stepping through
    them shows growth.
    """
    titles = ("Training data", "AVH", "Norm |x|", "Exact Bayes error")
    figure = make_subplots(2, 2, subplot_titles=titles, horizontal_spacing=0.13, vertical_spacing=0.16)
    figure.add_scatter(
        x=result.points[:, 0],
        y=result.points[:, 1],
        mode="markers",
        marker={
            "size": 4,
            "opacity": 0.75,
            "color": np.take(SERIES, result.labels, mode="wrap"),
            "symbol": np.take(SYMBOLS, result.labels // len(SERIES)),
        },
        customdata=result.labels,
        hovertemplate="label %{customdata}, longitude %{x:.0f}°<extra></extra>",
        row=1,
        col=1,
    )
    _heatmaps(figure, result, epoch)
    for (row, column), color in {(1, 1): GREY, (1, 2): _DARK, (2, 1): "white"}.items():
        predicted = result.predicted[epoch]
        figure.add_contour(
            x=result.x,
            y=result.y,
            z=predicted,
            showscale=False,
            contours={"coloring": "none", "start": 0.5, "end": float(predicted.max()) - 0.49, "size": 1},
            line={"color": color, "width": 1.5, "smoothing": 1.3},
            hoverinfo="skip",
            row=row,
            col=column,
        )
    bare(figure, height=460, margin={"t": 28, "r": 8, "b": 8})
    figure.update_annotations(font_size=14)
    heights = np.sin(np.radians(_LATITUDES))
    figure.update_xaxes(range=[-180, 180], tickvals=[-180, -90, 0, 90, 180], ticksuffix="°", showgrid=False)
    figure.update_yaxes(range=[-1, 1], tickvals=heights, ticktext=[f"{d}°" for d in _LATITUDES], showgrid=False)
    figure.update_xaxes(title_text="longitude", row=2)
    return figure.update_yaxes(title_text="latitude", col=1)


def course(curves: pd.DataFrame, *, epoch: int) -> go.Figure:
    """Draw the share of the change from the first to the last value that each mean has made."""
    values = curves[list(_CURVES)]
    shares = (values - values.iloc[0]) / (values.iloc[-1] - values.iloc[0])
    figure = _lines(shares, epoch, "share of the way to the end", ".0%")
    return figure.update_yaxes(tickformat=".0%", range=[-0.15, 1.4])


def agreement_by_epoch(curves: pd.DataFrame, *, epoch: int) -> go.Figure:
    """Draw Spearman of AVH and of the norm with the Bayes error over held-out points, signs kept."""
    values = pd.DataFrame({key: curves[f"{key}_samples"] for key in ("avh", "norm")})
    figure = _lines(values, epoch, "Spearman with the Bayes error", ".3f")
    figure.add_hline(y=0, line={"color": faded(GREY, 0.7), "width": 1})
    return figure.update_yaxes(range=[-1.05, 1.05])


def _lines(values: pd.DataFrame, epoch: int, title: str, form: str) -> go.Figure:
    """Draw each column over the epochs, with a mark at one of them."""
    figure = go.Figure()
    for key, column in values.items():
        name, color = _CURVES[str(key)]
        figure.add_scatter(
            y=column,
            name=name,
            mode="lines",
            line={"color": color, "width": 2},
            hovertemplate=f"{name} %{{y:{form}}}<extra>epoch %{{x}}</extra>",
        )
    figure.add_vline(x=epoch, line={"color": faded(GREY, 0.9), "width": 1.5, "dash": "dash"})
    bare(figure, height=300, x="epoch", y=title, margin={"t": 30})
    return figure.update_layout(showlegend=True, legend=ABOVE)


def _heatmaps(figure: go.Figure, result: ToyResult, epoch: int) -> None:
    """Draw AVH, norm and Bayes error, each with its colour bar."""
    panels = {
        (1, 2): (result.avh[epoch], _HARDNESS, np.nanmin(result.avh), np.nanmax(result.avh)),
        (2, 1): (result.norm[epoch], "Viridis", result.norm.min(), result.norm.max()),
        (2, 2): (result.bayes, _HARDNESS, 0.0, result.bayes.max()),
    }
    for (row, column), (values, colors, least, largest) in panels.items():
        panel = figure.get_subplot(row, column)
        low, high = panel.yaxis.domain
        figure.add_heatmap(
            x=result.x,
            y=result.y,
            z=np.asarray(values, float).round(4),
            colorscale=colors,
            zmin=float(least),
            zmax=float(largest),
            colorbar={"x": panel.xaxis.domain[1] + 0.004, "y": (low + high) / 2, "len": high - low, "thickness": 9},
            hovertemplate="%{z:.3f}<extra></extra>",
            row=row,
            col=column,
        )
