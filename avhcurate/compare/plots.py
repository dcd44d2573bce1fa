"""Model runs side by side: reliability, rank agreement, AVH against AVH, confusions, who is right, and transfer."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.compare.statistics import FittedLine
from avhcurate.stats.calibration import Calibration
from avhcurate.stats.downsample import cells_of, downsample
from avhcurate.ui.chart_style import (
    ABOVE,
    BLUE,
    GREY,
    ORANGE,
    SERIES,
    SYMBOLS,
    TEAL,
    VIOLET,
    add_region,
    as_text,
    bare,
    faded,
    intervals,
    of_hsf,
    ramp,
)

#: Above so many points the scatter shows how many lie in each cell.
MOST_POINTS = 20_000
#: How a sample fares, by what A and B make of it: name and colour.
AGREEMENT = {
    (True, True): ("both right", faded(GREY, 0.9)),
    (True, False): ("only A right", BLUE),
    (False, True): ("only B right", ORANGE),
    (False, False): ("both wrong", VIOLET),
}
#: A, B and people wherever they stand side by side.
JUDGES = {"people": TEAL, "a": BLUE, "b": ORANGE}

_CELLS = 70
_LONGEST_NAME = 14


def reliability(calibrations: Mapping[str, Calibration]) -> go.Figure:
    """Accuracy against mean confidence in each bin, a line a run by its name; a larger dot holds more samples."""
    figure = go.Figure()
    _diagonal(figure, 0.0, 1.0)
    for name, color, symbol in zip(calibrations, cycle(SERIES), cycle(SYMBOLS), strict=False):
        rows = calibrations[name].bins
        figure.add_scatter(
            x=rows["confidence"],
            y=rows["accuracy"],
            mode="lines+markers",
            name=as_text(name),
            line={"color": color, "width": 1.5},
            marker={
                "color": color,
                "symbol": symbol,
                "size": 5 + 9 * np.sqrt(rows["n"] / max(1, calibrations[name].n)),
                "opacity": 0.85,
            },
            customdata=rows[["n", "low", "high"]].to_numpy(),
            hovertemplate=f"{as_text(name)}<br>confidence %{{x:.3f}} (%{{customdata[1]:.3f}} to %{{customdata[2]:.3f}})"
            "<br>accuracy %{y:.3f}, n %{customdata[0]:,}<extra></extra>",
        )
    bare(figure, height=400, x="mean confidence of the bin", y="accuracy of the bin")
    figure.update_layout(showlegend=len(calibrations) > 1, legend=_below())
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure.update_yaxes(range=[-0.02, 1.02])


def rank_matrix(matrix: pd.DataFrame) -> go.Figure:
    """Spearman of every two runs, (R, R), with the numbers in the cells."""
    names = _short(list(matrix.index), longest=34)
    figure = go.Figure()
    figure.add_heatmap(
        z=matrix.to_numpy(),
        x=list(range(len(names))),
        y=list(range(len(names))),
        zmin=-1,
        zmax=1,
        colorscale=[[0, ORANGE], [0.5, faded(GREY, 0.08)], [1, BLUE]],
        showscale=False,
        xgap=2,
        ygap=2,
        text=[[f"{value:.2f}".replace("-", "−") for value in row] for row in matrix.to_numpy()],
        texttemplate="%{text}",
        customdata=[[f"{as_text(a)} and {as_text(b)}" for b in matrix.columns] for a in matrix.index],
        hovertemplate="%{customdata}: %{z:.3f}<extra></extra>",
    )
    bare(figure, height=110 + 34 * len(names))
    ticks = {"tickvals": list(range(len(names))), "showgrid": False}
    figure.update_yaxes(autorange="reversed", ticktext=[f"{i + 1} · {name}" for i, name in enumerate(names)], **ticks)
    return figure.update_xaxes(ticktext=[str(i + 1) for i in range(len(names))], side="top", **ticks)


def who_is_right(rows: pd.DataFrame, names: Mapping[str, str], *, simulated: bool) -> go.Figure:
    """Share that people, A and B get right in each HSF bin, with Wilson's intervals; `names` by judge."""
    figure = go.Figure()
    places = [f"{row.bin}<br>n {row.n:,}" for row in rows.itertuples()]
    for judge, name in names.items():
        figure.add_bar(
            x=places,
            y=rows[judge],
            name=as_text(name),
            marker={"color": faded(JUDGES[judge], 0.75), "line": {"width": 0}},
            error_y=intervals(
                rows[judge],
                rows[f"{judge}_low"],
                rows[f"{judge}_high"],
                color=faded(GREY, 0.9),
                thickness=1.3,
                width=3,
            ),
            hovertemplate=f"{as_text(name)}: %{{y:.1%}}<br>%{{x}}<extra></extra>",
        )
    bare(figure, height=340, x=of_hsf(simulated), y="share right")
    figure.update_layout(barmode="group", bargap=0.3, showlegend=True, legend=ABOVE)
    return figure.update_yaxes(range=[0, 1.03], tickformat=".0%")


# --- AVH against AVH -----------------------------------------------------------------------------------------


def against(
    points: pd.DataFrame,
    *,
    titles: tuple[str, str],
    measure: str,
    color: str,
    bins: Sequence[str] = (),
    classes: Sequence[str] = (),
    outline: tuple[Sequence[float], Sequence[float]] | None = None,
    dragmode: str = "select",
    simulated: bool = False,
) -> go.Figure:
    """AVH of A against AVH of B, a point a sample: `id, label, bin, a_right, b_right, a, b`.

    `color`: "bin" or "agreement". Of more than `MOST_POINTS` points a part is drawn, with those that lie alone.
    `outline`: corners of the region that is selected. A point carries its id as custom data.
    """
    left, right, low, high = window(points)
    figure = go.Figure()
    crowded = len(points) > MOST_POINTS
    drawn = points
    if crowded:
        x, y = points["a"].to_numpy(float), points["b"].to_numpy(float)
        cells = cells_of(x, y, (left, right, low, high), columns=_CELLS, rows=_CELLS)
        drawn = points.iloc[downsample(cells, most=MOST_POINTS, even=True)]
    for name, ink, rows in _coloured(drawn, color, bins):
        _dots(figure, rows, name, ink, measure, classes, small=len(points) > 4000)
    _diagonal(figure, min(left, low), max(right, high))
    add_region(figure, outline)
    bare(
        figure,
        height=560,
        x=f"{measure} of A · {as_text(titles[0])}   harder for A →",
        y=f"{measure} of B   harder for B →",
    )
    legend = ABOVE | {"itemsizing": "constant"}
    if color == "bin":
        legend["title"] = {"text": of_hsf(simulated), "font": {"size": 12}}
    figure.update_layout(
        dragmode=dragmode, clickmode="event+select", newselection_line_width=1.5, showlegend=True, legend=legend
    )
    figure.update_xaxes(range=[left, right])
    return figure.update_yaxes(range=[low, high])


def window(points: pd.DataFrame) -> tuple[float, float, float, float]:
    """Left, right, low and high end of the chart, a little beyond the points."""
    ends: list[float] = []
    for side in ("a", "b"):
        low, high = (float(points[side].min()), float(points[side].max())) if len(points) else (0.0, 1.0)
        pad = 0.03 * (high - low) or 0.05
        ends += [low - pad, high + pad]
    return ends[0], ends[1], ends[2], ends[3]


def _coloured(points: pd.DataFrame, color: str, bins: Sequence[str]) -> list[tuple[str, str, pd.DataFrame]]:
    """Name, colour and points of each group that has any; the hardest last, so that they lie on top."""
    if color == "bin":
        named = [*zip(bins, ramp(len(bins)), strict=True), ("no votes", faded(GREY, 0.6))]
        order = [-1, *range(len(bins) - 1, -1, -1)]
        groups = [(*named[number], points[points["bin"] == number]) for number in order]
    else:
        groups = [
            (name, ink, points[(points["a_right"] == a) & (points["b_right"] == b)])
            for (a, b), (name, ink) in AGREEMENT.items()
        ]
    return [(f"{name} · {len(rows):,}", ink, rows) for name, ink, rows in groups if len(rows)]


def _dots(
    figure: go.Figure, rows: pd.DataFrame, name: str, ink: str, measure: str, classes: Sequence[str], *, small: bool
) -> None:
    labels = rows["label"].to_numpy()
    figure.add_scattergl(
        x=rows["a"].to_numpy(float).round(5),
        y=rows["b"].to_numpy(float).round(5),
        mode="markers",
        name=name,
        ids=rows["id"].astype(str),
        customdata=rows[["id"]].to_numpy(float),
        text=np.asarray([as_text(one) for one in classes], object)[labels] if len(classes) else labels.astype(str),
        marker={"size": 4 if small else 6, "opacity": 0.6 if small else 0.75, "color": ink},
        hovertemplate=f"image %{{customdata[0]:.0f}}, label %{{text}}<br>{measure} of A %{{x:.4g}}, of B %{{y:.4g}}"
        "<extra></extra>",
    )


# --- confusions ----------------------------------------------------------------------------------------------


def confusion(counts: np.ndarray, chosen: Sequence[int], classes: Sequence[str], *, difference: bool) -> go.Figure:
    """Counts (K, K) of the `chosen` classes: row the given label, column the predicted class, a click on each cell.

    Colour says how often the two are confused, so that the diagonal does not outshine it; in a `difference` (B minus A)
    orange is more and blue less, and on the diagonal the reverse, since more is better there. A cell carries label and
    predicted class as custom data.
    """
    part = counts[np.ix_(chosen, chosen)]
    off = part.copy()
    np.fill_diagonal(off, 0)
    size = len(chosen)
    shade = off.astype(float)
    if difference:
        shade[np.diag_indices(size)] = -np.diag(part)
    most = float(np.abs(off).max()) or 1.0
    scale: list[list[Any]] = [[0, BLUE], [0.5, faded(GREY, 0.06)], [1, ORANGE]]
    figure = go.Figure()
    figure.add_heatmap(
        z=np.clip(shade, -most, most),
        zmin=-most,
        zmax=most,
        colorscale=scale,
        showscale=False,
        xgap=1,
        ygap=1,
        text=[[_signed(value, difference) for value in row] for row in part],
        texttemplate="%{text}",
        textfont={"size": 10},
        hoverinfo="skip",
    )
    y, x = np.divmod(np.arange(size * size), size)
    names = [as_text(classes[label]) for label in chosen]
    figure.add_scatter(  # a heat map cannot be clicked: these squares can
        x=x,
        y=y,
        mode="markers",
        marker={"symbol": "square", "size": 18, "opacity": 0},
        showlegend=False,
        customdata=np.stack([np.asarray(chosen)[y], np.asarray(chosen)[x], part.ravel()], axis=1),
        text=[f"label {names[i]}, predicted {names[j]}" for i, j in zip(y, x, strict=True)],
        hovertemplate="%{text}: %{customdata[2]:+,}<extra></extra>"
        if difference
        else "%{text}: %{customdata[2]:,}<extra></extra>",
    )
    bare(figure, height=90 + 27 * size, x="predicted", y="given label", margin={"t": 4})
    figure.update_layout(dragmode=False, clickmode="event+select", font={"size": 11})
    ticks = {"tickvals": list(range(size)), "ticktext": _short(names), "showgrid": False, "range": [-0.5, size - 0.5]}
    figure.update_xaxes(**ticks)
    return figure.update_yaxes(**(ticks | {"range": [size - 0.5, -0.5]}))


def _signed(value: int, difference: bool) -> str:
    if not value:
        return ""
    return f"{value:+d}".replace("-", "−") if difference else f"{value:d}"


# --- one dataset or split against another --------------------------------------------------------------------


def transfer(
    points: pd.DataFrame, line: FittedLine | None, *, sides: tuple[str, str], bins: Sequence[str], simulated: bool
) -> go.Figure:
    """Accuracy on one side against the other: a point a model and HSF bin, the ideal line dashed, the fit drawn."""
    figure = go.Figure()
    values = points[["x", "y"]].to_numpy(float)
    low = max(0.0, float(values.min()) - 0.04)
    _diagonal(figure, low, 1.02)
    symbols = dict(zip(dict.fromkeys(points["model"]), cycle((*SYMBOLS, "cross", "star")), strict=False))
    for name, ink in zip(bins, ramp(len(bins)) if len(bins) > 1 else [BLUE], strict=True):
        rows = points[points["bin"] == name]
        figure.add_scatter(
            x=rows["x"],
            y=rows["y"],
            mode="markers",
            name=name,
            marker={"color": ink, "size": 10, "symbol": [symbols[model] for model in rows["model"]]},
            error_x=_reach(rows, "x"),
            error_y=_reach(rows, "y"),
            customdata=rows[["x_n", "y_n"]].to_numpy(),
            text=[as_text(model) for model in rows["model"]],
            hovertemplate=f"%{{text}}, {name}<br>%{{x:.1%}} (n %{{customdata[0]:,}}) against %{{y:.1%}} "
            "(n %{customdata[1]:,})<extra></extra>",
        )
    if line is not None:
        ends = np.array([values[:, 0].min(), values[:, 0].max()])
        figure.add_scatter(
            x=ends,
            y=line.slope * ends + line.intercept,
            mode="lines",
            name="linear fit",
            line={"color": VIOLET, "width": 2},
            hoverinfo="skip",
        )
    for model, symbol in symbols.items():
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=as_text(model), marker={"color": GREY, "size": 9, "symbol": symbol}
        )
    bare(figure, height=540, x=f"accuracy on {as_text(sides[0])}", y=f"accuracy on {as_text(sides[1])}")
    title = {"text": of_hsf(simulated) if len(bins) > 1 else "", "font": {"size": 12}}
    figure.update_layout(showlegend=True, legend=ABOVE | {"title": title})
    figure.update_xaxes(range=[low, 1.02], tickformat=".0%")
    return figure.update_yaxes(range=[low, 1.02], tickformat=".0%")


def _reach(rows: pd.DataFrame, side: str) -> dict[str, Any]:
    ends = rows[f"{side}_low"], rows[f"{side}_high"]
    return intervals(rows[side], *ends, color=faded(GREY, 0.45), thickness=1)


# --- what they share -----------------------------------------------------------------------------------------


def _diagonal(figure: go.Figure, low: float, high: float) -> None:
    figure.add_shape(
        type="line", x0=low, y0=low, x1=high, y1=high, layer="below", line={"color": GREY, "width": 1, "dash": "dash"}
    )


def _below() -> dict[str, Any]:
    return {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0}


def _short(names: Sequence[str], *, longest: int = _LONGEST_NAME) -> list[str]:
    """Names that fit on an axis."""
    return [as_text(name if len(name) <= longest else f"{name[: longest - 1]}…") for name in names]
