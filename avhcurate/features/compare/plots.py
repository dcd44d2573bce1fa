"""Model runs side by side: reliability, rank agreement, who is right, confusions, and transfer."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.features.compare.transfer import fit_line
from avhcurate.measures.stats.calibration import Calibration
from avhcurate.ui.chart_style import (
    ABOVE,
    BLUE,
    GREY,
    ORANGE,
    SERIES,
    SLATE,
    TEAL,
    VIOLET,
    as_text,
    bare,
    faded,
    intervals,
    of_hsf,
    ramp,
)

#: The colours of A, B and people in one chart.
JUDGES = {"people": TEAL, "a": SLATE, "b": VIOLET}

_LONGEST_NAME = 14


def reliability(calibrations: Mapping[str, Calibration]) -> go.Figure:
    """Draw accuracy against mean confidence in each bin, a line a run; a larger dot holds more samples."""
    figure = go.Figure()
    _diagonal(figure, 0.0, 1.0)
    for name, color in zip(calibrations, cycle(SERIES), strict=False):
        rows, size = calibrations[name].bins, np.sqrt(calibrations[name].bins["n"] / max(1, calibrations[name].n))
        figure.add_scatter(
            x=rows["confidence"],
            y=rows["accuracy"],
            mode="lines+markers",
            name=as_text(name),
            line={"color": color, "width": 1.5},
            marker={"size": 5 + 9 * size, "opacity": 0.85},
            customdata=rows[["n", "low", "high"]].to_numpy(),
            hovertemplate="confidence %{x:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f})"
            "<br>accuracy %{y:.3f}, n %{customdata[0]:,}",
        )
    bare(figure, height=400, x="mean confidence of the bin", y="accuracy of the bin")
    below = {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0}
    figure.update_layout(showlegend=len(calibrations) > 1, legend=below)
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure.update_yaxes(range=[-0.02, 1.02])


def rank_matrix(matrix: pd.DataFrame) -> go.Figure:
    """Draw Spearman of every two runs, (R, R), with the numbers in the cells."""
    numbers = list(range(1, len(matrix) + 1))
    names = [f"{number} · {name}" for number, name in zip(numbers, _short(list(matrix.index), longest=34), strict=True)]
    figure = go.Figure()
    figure.add_heatmap(
        z=matrix.to_numpy(),
        x=numbers,
        y=numbers,
        zmin=-1,
        zmax=1,
        colorscale=[[0, ORANGE], [0.5, faded(GREY, 0.08)], [1, BLUE]],
        showscale=False,
        xgap=2,
        ygap=2,
        texttemplate="%{z:.2f}",
        hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
    )
    bare(figure, height=110 + 34 * len(names))
    figure.update_yaxes(autorange="reversed", tickvals=numbers, ticktext=names, showgrid=False)
    return figure.update_xaxes(side="top", tickvals=numbers, showgrid=False)


def who_is_right(rows: pd.DataFrame, names: Mapping[str, str], *, simulated: bool) -> go.Figure:
    """Draw the share that people, A and B get right in each HSF bin, with Wilson's intervals; `names` by judge."""
    figure = go.Figure()
    for judge, name in names.items():
        some = rows[rows["judge"] == judge]
        figure.add_bar(
            x=[f"{row.bin}<br>n {row.n:,}" for row in some.itertuples()],
            y=some["right"],
            name=as_text(name),
            marker={"color": faded(JUDGES[judge], 0.75), "line": {"width": 0}},
            error_y=intervals(some["right"], some["low"], some["high"], width=3),
            hovertemplate="%{y:.1%}<br>%{x}",
        )
    bare(figure, height=340, x=of_hsf(simulated), y="share right")
    figure.update_layout(barmode="group", bargap=0.3, showlegend=True, legend=ABOVE)
    return figure.update_yaxes(range=[0, 1.03], tickformat=".0%")


def confusion(part: np.ndarray, chosen: Sequence[int], classes: Sequence[str]) -> go.Figure:
    """Draw the confusion matrix (K, K) of the `chosen` classes: row the given label, column the predicted class.

    Colour says how often the two are confused, so that the diagonal does not outshine it. A cell can be clicked and
    carries label and predicted class as custom data.
    """
    shade, size, names = part.copy(), len(chosen), [as_text(classes[label]) for label in chosen]
    np.fill_diagonal(shade, 0)
    figure = go.Figure()
    figure.add_heatmap(
        z=shade,
        colorscale=[[0, faded(GREY, 0.06)], [1, SLATE]],
        showscale=False,
        xgap=1,
        ygap=1,
        text=np.where(part == 0, "", part.astype(str)),
        texttemplate="%{text}",
        textfont={"size": 10},
        hoverinfo="skip",
    )
    y, x = np.divmod(np.arange(size * size), size)
    figure.add_scatter(  # a heat map cannot be clicked: these squares can
        x=x,
        y=y,
        mode="markers",
        marker={"symbol": "square", "size": 18, "opacity": 0},
        showlegend=False,
        customdata=np.stack([np.asarray(chosen)[y], np.asarray(chosen)[x], part.ravel()], axis=1),
        text=[f"label {names[i]}, predicted {names[j]}" for i, j in zip(y, x, strict=True)],
        hovertemplate="%{text}: %{customdata[2]:,}<extra></extra>",
    )
    bare(figure, height=90 + 27 * size, x="predicted", y="given label", margin={"t": 4})
    figure.update_layout(dragmode=False, clickmode="event+select", font={"size": 11})
    ticks = {"tickvals": list(range(size)), "ticktext": _short(names), "showgrid": False}
    figure.update_xaxes(range=[-0.5, size - 0.5], **ticks)
    return figure.update_yaxes(range=[size - 0.5, -0.5], **ticks)


def transfer(points: pd.DataFrame, *, sides: tuple[str, str], simulated: bool) -> go.Figure:
    """Draw accuracy on one side against the other: a point a model and HSF bin, the ideal line dashed, the fit."""
    figure, bins = go.Figure(), points["bin"].cat.categories
    low = max(0.0, float(points[["x", "y"]].to_numpy().min()) - 0.04)
    _diagonal(figure, low, 1.02)
    for name, color in zip(bins, ramp(len(bins)), strict=True):
        rows = points[points["bin"] == name]
        figure.add_scatter(
            x=rows["x"],
            y=rows["y"],
            mode="markers",
            name=name,
            marker={"color": color, "size": 10},
            error_x=intervals(rows["x"], rows["x_low"], rows["x_high"], thickness=1),
            error_y=intervals(rows["y"], rows["y_low"], rows["y_high"], thickness=1),
            customdata=rows[["x_n", "y_n"]].to_numpy(),
            text=rows["model"].map(as_text),
            hovertemplate="%{text}<br>%{x:.1%} (n %{customdata[0]:,}) against %{y:.1%} (n %{customdata[1]:,})",
        )
    if (line := fit_line(points["x"], points["y"])) is not None:
        ends = np.array([points["x"].min(), points["x"].max()])
        fitted = line[0].slope * ends + line[0].intercept
        figure.add_scatter(x=ends, y=fitted, mode="lines", name="linear fit", line={"color": VIOLET, "width": 2})
    bare(figure, height=540, x=f"accuracy on {as_text(sides[0])}", y=f"accuracy on {as_text(sides[1])}")
    if len(bins) > 1:
        figure.update_layout(legend_title={"text": of_hsf(simulated), "font": {"size": 12}})
    figure.update_layout(showlegend=True, legend=ABOVE)
    figure.update_xaxes(range=[low, 1.02], tickformat=".0%")
    return figure.update_yaxes(range=[low, 1.02], tickformat=".0%")


def _diagonal(figure: go.Figure, low: float, high: float) -> None:
    line: dict[str, Any] = {"color": GREY, "width": 1, "dash": "dash"}
    figure.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, layer="below", line=line)


def _short(names: Sequence[str], *, longest: int = _LONGEST_NAME) -> list[str]:
    """Return names that fit on an axis."""
    cut = [str(name)[: longest - 1] + "…" * (len(name) >= longest) for name in names]
    return [as_text(name) for name in cut]
