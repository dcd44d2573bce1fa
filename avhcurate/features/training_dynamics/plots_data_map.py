"""The data map: how sure the network was of each sample's label over the epochs, and how much that varied."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.measures.stats.downsample import cells_of, downsample
from avhcurate.ui.chart_style import GREY, add_region, as_text, bare, faded, of_hsf, ramp

#: As many points as a browser draws and links with ease.
MOST_POINTS = 20_000
#: What the points can be coloured by, and its name.
COLORS = {"correctness": "Correctness", "hsf_bin": "HSF bin", "avh": "AVH"}
#: The standard deviation of a number between 0 and 1 is at most this.
_MOST_VARIABLE = 0.5
_CELLS = 30
_BARS = 40


def downsampled(points: pd.DataFrame, *, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return at most `most` rows of `variability, confidence_mean, ...`, in their order: a random part where crowded.

    The map is cut into cells, and each keeps up to the same number of its points, so rare samples stay.

    >>> crowd = pd.DataFrame({"variability": [0.1] * 9 + [0.4], "confidence_mean": [0.9] * 9 + [0.5]})
    >>> downsampled(crowd, most=4)["variability"].tolist()
    [0.1, 0.1, 0.1, 0.4]
    """
    x, y = points["variability"].to_numpy(float), points["confidence_mean"].to_numpy(float)
    cells = cells_of(x, y, (0.0, _MOST_VARIABLE, 0.0, 1.0), columns=_CELLS, rows=_CELLS)
    return points.iloc[downsample(cells, most=most, even=True)]


def data_map(
    points: pd.DataFrame,
    everything: pd.DataFrame,
    *,
    color: str = "correctness",
    bins: Sequence[str] = (),
    outline: tuple[Sequence[float], Sequence[float]] | None = None,
    dragmode: str | bool = "select",
    simulated: bool = False,
) -> go.Figure:
    """Draw points `id, variability, confidence_mean, correctness, label_name` and the column of `color`.

    Histograms at the edges count `everything`. `outline`: corners x, y of the region that is selected. The scatter is
    on axes x and y, the histograms on x, y2 and x2, y. A point carries its id as custom data.
    """
    figure = go.Figure()
    if color == "hsf_bin":
        _by_bin(figure, points, bins)
    else:
        _by_number(figure, points, color)
    reach = min(_MOST_VARIABLE, 1.04 * float(everything["variability"].max()) or _MOST_VARIABLE)
    _histogram(figure, everything["variability"], reach, upright=True)
    _histogram(figure, everything["confidence_mean"], 1.0, upright=False)
    add_region(figure, outline)
    bare(figure, height=520, margin={"t": 8})
    edge = {"showticklabels": False, "showgrid": False, "title": None, "fixedrange": True}
    figure.update_layout(
        dragmode=dragmode,
        clickmode="event+select",
        bargap=0.08,
        newselection_line_width=1.5,
        showlegend=color == "hsf_bin",
        legend={"title": {"text": of_hsf(simulated), "font": {"size": 12}}, "itemsizing": "constant", "y": 0.8},
        xaxis={
            "domain": [0, 0.9],
            "range": [-0.015 * reach, reach],
            "title": "variability: how much its confidence varied",
        },
        yaxis={"domain": [0, 0.86], "range": [-0.02, 1.02], "title": "confidence: mean probability of its label"},
        xaxis2={"domain": [0.91, 1], **edge},
        yaxis2={"domain": [0.875, 1], **edge},
    )
    # The right end is empty high up and far down, where nothing can vary much.
    names = (("← easy to learn", 1.0, "top"), ("ambiguous", 0.5, "middle"), ("← hard to learn", 0.0, "bottom"))
    for text, y, anchor in names:
        figure.add_annotation(
            x=1.0,
            y=y,
            xref="x domain",
            yref="y domain",
            text=f"<b>{text}</b>",
            showarrow=False,
            xanchor="right",
            yanchor=anchor,
            font={"color": faded(GREY, 0.95), "size": 13},
        )
    return figure


def _by_number(figure: go.Figure, points: pd.DataFrame, color: str) -> None:
    # Orange is hard, blue is easy: a low correctness is hard, a high AVH is. The hardest last, so that they lie on top.
    points = points.sort_values(color, ascending=color == "avh", na_position="first", kind="stable")
    values, scale, low, high, form = points[color].to_numpy(float), ramp(9), 0.0, 1.0, ".0%"
    if color == "avh":
        scale, form = scale[::-1], ".3~g"
        if np.isfinite(values).any():  # a few extreme values must not leave the rest in one colour
            low, high = np.nanquantile(values, [0.01, 0.99]).tolist()
    bar = {"title": {"text": COLORS[color], "side": "right"}, "thickness": 9, "len": 0.8, "y": 0.4, "tickformat": form}
    marker = {"color": values.round(4), "colorscale": scale, "cmin": low, "cmax": high, "colorbar": bar}
    _points(figure, points, color, marker)


def _by_bin(figure: go.Figure, points: pd.DataFrame, bins: Sequence[str]) -> None:
    # The hardest last, so that they lie on top.
    of_bin = points["hsf_bin"].where(points["hsf_bin"].isin(list(bins)), "no votes")
    colors = {"no votes": faded(GREY, 0.6), **dict(list(zip(bins, ramp(len(bins)), strict=True))[::-1])}
    for name, color in colors.items():
        rows = points[of_bin == name]
        if len(rows):
            _points(figure, rows, "avh", {"color": color}, name=name, showlegend=True)


def _points(figure: go.Figure, rows: pd.DataFrame, color: str, marker: dict[str, Any], **look: Any) -> None:
    values, form = rows[color].to_numpy(float), ".4g"
    if color == "correctness":
        form = ".0%"
    figure.add_scattergl(
        x=rows["variability"].to_numpy(float).round(4),
        y=rows["confidence_mean"].to_numpy(float).round(4),
        mode="markers",
        ids=rows["id"].astype(str),
        customdata=np.stack([rows["id"].to_numpy(float), values], axis=1),
        text=rows["label_name"].astype(str).map(as_text),
        marker={"size": 5, "opacity": 0.65} | marker,
        hovertemplate="image %{customdata[0]:.0f}, label %{text}<br>confidence %{y:.3f}, variability %{x:.3f}<br>"
        f"{COLORS[color]} %{{customdata[1]:{form}}}<extra></extra>",
        **({"showlegend": False, "name": ""} | look),
    )


def _histogram(figure: go.Figure, column: pd.Series, reach: float, *, upright: bool) -> None:
    """Draw counts of all samples along an axis."""
    values = column.dropna().to_numpy(float)
    counts, edges = np.histogram(values, bins=_BARS, range=(0.0, reach))
    middles, shares = ((edges[:-1] + edges[1:]) / 2).round(4), counts / max(1, len(values))
    bars, along, across = {"x": middles, "y": shares, "yaxis": "y2", "orientation": "v"}, "x", "y"
    if not upright:
        bars, along, across = {"y": middles, "x": shares, "xaxis": "x2", "orientation": "h"}, "y", "x"
    figure.add_bar(
        **bars,
        customdata=counts,
        marker={"color": faded(GREY, 0.55), "line": {"width": 0}},
        showlegend=False,
        hovertemplate=f"{column.name} about %{{{along}:.2f}}: %{{customdata:,}} samples, %{{{across}:.1%}}"
        "<extra></extra>",
    )
