"""Charts of the toy: maps of data, AVH, norm and Bayes error, and curves over the epochs."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.ui.chart_style import ABOVE, BLUE, GREY, ORANGE, SERIES, SYMBOLS, TEAL, bare, faded, ramp

#: From easy to hard, as everywhere in the app.
_HARDNESS = ramp(9)[::-1]
#: Latitudes at which the map of the sphere is marked, in degrees.
_LATITUDES = (-60, -30, 0, 30, 60)
_CURVES = {"avh": ("AVH", BLUE), "norm": ("Norm", ORANGE), "accuracy": ("Accuracy", TEAL), "loss": ("Loss", GREY)}


def maps(
    x: np.ndarray,
    y: np.ndarray,
    *,
    points: np.ndarray,
    labels: np.ndarray,
    avh: np.ndarray,
    norm: np.ndarray,
    bayes: np.ndarray,
    predicted: np.ndarray,
    avh_ends: tuple[float, float],
    norm_ends: tuple[float, float],
    sphere: bool,
) -> go.Figure:
    """Training data, AVH, norm and Bayes error over x (W,), y (H,): points (n, 2), labels (n,), maps (H, W).

    Lines show where the network's prediction changes. `avh_ends` and `norm_ends` are the colour ranges of all epochs,
    so that stepping through them shows growth. The sphere is drawn as an equal-area map.
    """
    rows, columns = (2, 2) if sphere else (1, 4)
    titles = ("Training data", "AVH", "Norm |x|", "Exact Bayes error")
    gaps = {"horizontal_spacing": 0.13 if sphere else 0.075, "vertical_spacing": 0.16}
    figure = make_subplots(rows, columns, subplot_titles=titles, **gaps)
    places = [(1 + index // columns, 1 + index % columns) for index in range(4)]
    _scatter(figure, points, labels, *places[0], sphere=sphere)
    panels = (
        (avh, _HARDNESS, avh_ends, "AVH"),
        (norm, "Viridis", norm_ends, "|x|"),
        (bayes, _HARDNESS, (0.0, float(bayes.max())), "error"),
    )
    for (values, colors, ends, name), (row, column) in zip(panels, places[1:], strict=True):
        figure.add_heatmap(
            x=x,
            y=y,
            z=np.asarray(values, float).round(4),
            colorscale=colors,
            zmin=ends[0],
            zmax=ends[1],
            colorbar=_bar(figure, row, column, height=1.0 if sphere else 0.74),
            hovertemplate=f"{name} %{{z:.3f}}<extra></extra>",
            row=row,
            col=column,
        )
    for row, column in places[:3]:
        _boundary(figure, x, y, predicted, row, column, color="white" if (row, column) == places[2] else "#1c2333")
    bare(figure, height=460 if sphere else 270, margin={"t": 28, "r": 8, "b": 8})
    figure.update_annotations(font_size=14)
    return _sphere_axes(figure, rows) if sphere else _plane_axes(figure, x)


def course(curves: pd.DataFrame, settled: dict[str, int], *, epoch: int) -> go.Figure:
    """Share of the change from the first to the last value that each mean has made; diamonds mark 95 %."""
    figure = go.Figure()
    for key, (name, color) in _CURVES.items():
        values = curves[key].to_numpy(float)
        way = values[-1] - values[0]
        if way == 0 or np.isnan(way):
            continue
        share = (values - values[0]) / way
        figure.add_scatter(
            x=curves["epoch"],
            y=share,
            name=name,
            mode="lines",
            line={"color": color, "width": 2.5 if key in settled else 1.5, "dash": None if key in settled else "dot"},
            customdata=values,
            hovertemplate=f"{name} %{{customdata:.3f}}, %{{y:.0%}} of its way<extra>epoch %{{x}}</extra>",
        )
        if key in settled:
            figure.add_scatter(
                x=[settled[key]],
                y=[share[settled[key]]],
                mode="markers",
                marker={"color": color, "symbol": "diamond", "size": 11},
                hovertemplate=f"{name}: 95 % of its way by epoch %{{x}}<extra></extra>",
                showlegend=False,
            )
    _over_epochs(figure, epoch, "share of the way to the end")
    return figure.update_yaxes(tickformat=".0%", range=[-0.15, 1.4])


def agreement_by_epoch(curves: pd.DataFrame, *, epoch: int) -> go.Figure:
    """Spearman of AVH and of the norm with the Bayes error over held-out points, signs kept."""
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": faded(GREY, 0.7), "width": 1})
    for key in ("avh", "norm"):
        name, color = _CURVES[key]
        figure.add_scatter(
            x=curves["epoch"],
            y=curves[f"{key}_samples"],
            name=name,
            mode="lines",
            line={"color": color, "width": 2.5},
            hovertemplate=f"{name} %{{y:.3f}}<extra>epoch %{{x}}</extra>",
        )
    _over_epochs(figure, epoch, "Spearman with the Bayes error")
    return figure.update_yaxes(range=[-1.05, 1.05])


def _scatter(figure: go.Figure, points: np.ndarray, labels: np.ndarray, row: int, column: int, *, sphere: bool) -> None:
    """The data, a colour a class, and symbols beside it where there are more classes than colours."""
    where = "longitude %{x:.0f}°" if sphere else "(%{x:.2f}, %{y:.2f})"
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
            hovertemplate=f"label {label}, {where}<extra></extra>",
            row=row,
            col=column,
        )


def _boundary(
    figure: go.Figure, x: np.ndarray, y: np.ndarray, predicted: np.ndarray, row: int, column: int, *, color: str
) -> None:
    figure.add_contour(
        x=x,
        y=y,
        z=predicted,
        showscale=False,
        contours={"coloring": "none", "start": 0.5, "end": float(predicted.max()) - 0.49, "size": 1},
        line={"color": GREY if (row, column) == (1, 1) else color, "width": 1.5, "smoothing": 1.3},
        hoverinfo="skip",
        row=row,
        col=column,
    )


def _bar(figure: go.Figure, row: int, column: int, *, height: float) -> dict[str, Any]:
    """A colour bar beside its panel; `height` as a share of what the panel may take."""
    panel = figure.get_subplot(row, column)
    low, high = panel.yaxis.domain
    return {
        "x": panel.xaxis.domain[1] + 0.004,
        "y": (low + high) / 2,
        "len": (high - low) * height,
        "thickness": 9,
        "outlinewidth": 0,
        "nticks": 5,
        "ypad": 0,
        "xpad": 2,
        "tickfont": {"size": 11},
    }


def _sphere_axes(figure: go.Figure, rows: int) -> go.Figure:
    heights = np.sin(np.radians(_LATITUDES))
    figure.update_xaxes(range=[-180, 180], tickvals=[-180, -90, 0, 90, 180], ticksuffix="°", showgrid=False)
    figure.update_yaxes(range=[-1, 1], tickvals=heights, ticktext=[f"{d}°" for d in _LATITUDES], showgrid=False)
    figure.update_xaxes(title_text="longitude", row=rows)
    return figure.update_yaxes(title_text="latitude", col=1)


def _plane_axes(figure: go.Figure, x: np.ndarray) -> go.Figure:
    reach = float(x[-1] + (x[1] - x[0]) / 2)
    figure.update_xaxes(range=[-reach, reach], constrain="domain", showgrid=False)
    figure.update_yaxes(range=[-reach, reach], constrain="domain", showgrid=False)
    for number in range(1, 5):
        end = str(number) if number > 1 else ""
        figure.update_layout({f"yaxis{end}": {"scaleanchor": f"x{end}"}})
    return figure


def _over_epochs(figure: go.Figure, epoch: int, title: str) -> None:
    figure.add_vline(x=epoch, line={"color": faded(GREY, 0.9), "width": 1.5, "dash": "dash"})
    bare(figure, height=300, x="epoch", y=title, margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
