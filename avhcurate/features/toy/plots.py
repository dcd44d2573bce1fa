"""Charts of the toy: maps of data, AVH, norm and Bayes error, and curves over the epochs."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.features.toy.service import ToyResult
from avhcurate.ui.chart_style import ABOVE, BLUE, GREY, ORANGE, SERIES, SYMBOLS, TEAL, bare, faded, ramp

#: From easy to hard, as everywhere in the app.
_HARDNESS = ramp(9)[::-1]
#: Latitudes at which the map of the sphere is marked, in degrees.
_LATITUDES = (-60, -30, 0, 30, 60)
_CURVES = {"avh": ("AVH", BLUE), "norm": ("Norm", ORANGE), "accuracy": ("Accuracy", TEAL), "loss": ("Loss", GREY)}
_DARK = "#1c2333"


def maps(result: ToyResult, epoch: int) -> go.Figure:
    """Draw training data, AVH, norm and Bayes error at an epoch, on an equal-area map of the sphere.

    Lines show where the network's prediction changes. Colours have the range of all epochs, so that stepping through
    them shows growth.
    """
    titles = ("Training data", "AVH", "Norm |x|", "Exact Bayes error")
    figure = make_subplots(2, 2, subplot_titles=titles, horizontal_spacing=0.13, vertical_spacing=0.16)
    _scatter(figure, result.points, result.labels)
    avh_ends = (float(np.nanmin(result.avh)), float(np.nanmax(result.avh)))
    norm_ends = (float(result.norm.min()), float(result.norm.max()))
    _heatmap(figure, result, result.avh[epoch], (1, 2), _HARDNESS, avh_ends)
    _heatmap(figure, result, result.norm[epoch], (2, 1), "Viridis", norm_ends)
    _heatmap(figure, result, result.bayes, (2, 2), _HARDNESS, (0.0, float(result.bayes.max())))
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


def course(result: ToyResult, *, epoch: int) -> go.Figure:
    """Draw the share of the change from the first to the last value that each mean has made; diamonds mark 95 %."""
    curves, figure = result.curves, go.Figure()
    for key, (name, color) in _CURVES.items():
        values = curves[key].to_numpy(float)
        way = values[-1] - values[0]
        if way == 0 or np.isnan(way):
            continue
        share = (values - values[0]) / way
        hover = f"{name} %{{customdata:.3f}}, %{{y:.0%}} of its way<extra>epoch %{{x}}</extra>"
        _line(figure, curves["epoch"], share, name, color, customdata=values, hovertemplate=hover)
        if key in result.settled:
            at = result.settled[key]
            figure.add_scatter(
                x=[at],
                y=[share[at]],
                mode="markers",
                marker={"color": color, "symbol": "diamond", "size": 11},
                hovertemplate=f"{name}: 95 % of its way by epoch %{{x}}<extra></extra>",
                showlegend=False,
            )
    _over_epochs(figure, epoch, "share of the way to the end")
    return figure.update_yaxes(tickformat=".0%", range=[-0.15, 1.4])


def agreement_by_epoch(curves: pd.DataFrame, *, epoch: int) -> go.Figure:
    """Draw Spearman of AVH and of the norm with the Bayes error over held-out points, signs kept."""
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": faded(GREY, 0.7), "width": 1})
    for key in ("avh", "norm"):
        name, color = _CURVES[key]
        hover = f"{name} %{{y:.3f}}<extra>epoch %{{x}}</extra>"
        _line(figure, curves["epoch"], curves[f"{key}_samples"], name, color, hovertemplate=hover)
    _over_epochs(figure, epoch, "Spearman with the Bayes error")
    return figure.update_yaxes(range=[-1.05, 1.05])


def _line(figure: go.Figure, x: Any, y: Any, name: str, color: str, **look: Any) -> None:
    figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"color": color, "width": 2}, **look)


def _scatter(figure: go.Figure, points: np.ndarray, labels: np.ndarray) -> None:
    """Draw the data, a colour a class, and other symbols where there are more classes than colours."""
    for label in np.unique(labels):
        members = points[labels == label]
        figure.add_scatter(
            x=members[:, 0],
            y=members[:, 1],
            mode="markers",
            marker={
                "size": 4,
                "opacity": 0.75,
                "color": SERIES[label % len(SERIES)],
                "symbol": SYMBOLS[label // len(SERIES)],
            },
            hovertemplate=f"label {label}, longitude %{{x:.0f}}°<extra></extra>",
            row=1,
            col=1,
        )


def _heatmap(
    figure: go.Figure,
    result: ToyResult,
    values: np.ndarray,
    place: tuple[int, int],
    colors: Any,
    ends: tuple[float, float],
) -> None:
    """Draw a map with its colour bar."""
    panel = figure.get_subplot(*place)
    low, high = panel.yaxis.domain
    figure.add_heatmap(
        x=result.x,
        y=result.y,
        z=np.asarray(values, float).round(4),
        colorscale=colors,
        zmin=ends[0],
        zmax=ends[1],
        colorbar={"x": panel.xaxis.domain[1] + 0.004, "y": (low + high) / 2, "len": high - low, "thickness": 9},
        hovertemplate="%{z:.3f}<extra></extra>",
        row=place[0],
        col=place[1],
    )


def _over_epochs(figure: go.Figure, epoch: int, title: str) -> None:
    figure.add_vline(x=epoch, line={"color": faded(GREY, 0.9), "width": 1.5, "dash": "dash"})
    bare(figure, height=300, x="epoch", y=title, margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
