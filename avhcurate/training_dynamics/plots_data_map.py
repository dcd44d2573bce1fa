"""The data map: how sure the network was of each sample's label over the epochs, and how much that varied."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.stats.downsample import cells_of, downsample
from avhcurate.ui.chart_style import GREY, add_region, as_text, bare, faded, of_hsf, ramp

#: As many points as a browser draws and links with ease.
MOST_POINTS = 20_000
#: What the points can be coloured by, and how it is called.
COLORS = {"correctness": "Correctness", "hsf_bin": "HSF bin", "avh": "AVH"}
#: Standard deviation of a number between 0 and 1 is at most this.
_MOST_VARIABLE = 0.5
_CELLS = 30
_BARS = 40


def downsampled(points: pd.DataFrame, *, most: int = MOST_POINTS) -> pd.DataFrame:
    """At most `most` rows of `variability, confidence_mean, ...`, in their order: a random part where it is crowded.

    The map is cut into cells, and each keeps up to the same number of its points, so that rare samples stay.

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
    """Points `id, variability, confidence_mean, correctness, label_name` and the column of `color`, one of `COLORS`.

    Histograms at the edges count `everything`. `outline`: corners x, y of the region that is selected. The scatter is
    on axes x and y, the histograms on x, y2 and x2, y. A point carries its id as custom data.
    """
    figure = go.Figure()
    if color == "hsf_bin":
        _by_bin(figure, points, bins, simulated)
    else:
        _by_number(figure, points, color)
    _histograms(figure, everything)
    add_region(figure, outline)
    bare(figure, height=520, margin={"t": 8})
    title = {"text": of_hsf(simulated), "font": {"size": 12}}
    figure.update_layout(
        dragmode=dragmode,
        clickmode="event+select",
        bargap=0.08,
        newselection_line_width=1.5,
        showlegend=color == "hsf_bin",
        legend={"title": title, "itemsizing": "constant", "y": 0.8},
    )
    _axes(figure, everything)
    for text, y in (("← easy to learn", 1.0), ("ambiguous", 0.5), ("← hard to learn", 0.0)):
        _name(figure, text, y)
    return figure


def _by_number(figure: go.Figure, points: pd.DataFrame, color: str) -> None:
    # Orange is hard, blue is easy: a low correctness is hard, a high AVH is. The hardest last, so that they lie on top.
    points = points.sort_values(color, ascending=color == "avh", na_position="first", kind="stable")
    values = points[color].to_numpy(float)
    scale = ramp(9) if color == "correctness" else ramp(9)[::-1]
    ends = (0.0, 1.0) if color == "correctness" else _ends(values)
    bar = {"title": {"text": COLORS[color], "side": "right"}, "thickness": 9, "outlinewidth": 0, "len": 0.8, "y": 0.4}
    bar |= {"nticks": 6, "tickformat": ".0%" if color == "correctness" else ".3~g"}
    _points(
        figure,
        points,
        COLORS[color],
        values,
        {"color": values.round(4), "colorscale": scale, "cmin": ends[0], "cmax": ends[1], "colorbar": bar},
    )


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Ends of the colours, so that a few extreme values do not leave the rest in one colour."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.01, 0.99]) if len(finite) else (0.0, 1.0)
    return float(low), float(high)


def _by_bin(figure: go.Figure, points: pd.DataFrame, bins: Sequence[str], simulated: bool) -> None:
    # The hardest last, so that they lie on top.
    colors = {"no votes": faded(GREY, 0.6), **dict(list(zip(bins, ramp(len(bins)), strict=True))[::-1])}
    for name, color in colors.items():
        rows = points[points["hsf_bin"] == name] if name in bins else points[~points["hsf_bin"].isin(list(bins))]
        if len(rows):
            _points(figure, rows, "AVH", rows["avh"].to_numpy(float), {"color": color}, name=name)


def _points(
    figure: go.Figure, rows: pd.DataFrame, measure: str, values: np.ndarray, marker: dict[str, Any], *, name: str = ""
) -> None:
    form = ".0%" if measure == COLORS["correctness"] else ".4g"
    figure.add_scattergl(
        x=rows["variability"].to_numpy(float).round(4),
        y=rows["confidence_mean"].to_numpy(float).round(4),
        mode="markers",
        name=name,
        showlegend=bool(name),
        ids=rows["id"].astype(str),
        customdata=np.stack([rows["id"].to_numpy(float), values], axis=1),
        text=rows["label_name"].astype(str).map(as_text),
        marker={"size": 5 if len(rows) > 3000 else 6, "opacity": 0.55 if len(rows) > 3000 else 0.75} | marker,
        hovertemplate="image %{customdata[0]:.0f}, label %{text}<br>confidence %{y:.3f}, variability %{x:.3f}<br>"
        f"{measure} %{{customdata[1]:{form}}}<extra></extra>",
    )


def _histograms(figure: go.Figure, everything: pd.DataFrame) -> None:
    """Counts of all samples along both axes."""
    for column, upright in (("variability", True), ("confidence_mean", False)):
        values = everything[column].dropna().to_numpy(float)
        top = _reach(everything) if upright else 1.0
        counts, edges = np.histogram(values, bins=_BARS, range=(0.0, top))
        middles, shares = (edges[:-1] + edges[1:]) / 2, counts / max(1, len(values))
        along, across = ("x", "y") if upright else ("y", "x")
        figure.add_bar(
            **{along: middles.round(4), across: shares, f"{across}axis": f"{across}2"},
            orientation="v" if upright else "h",
            customdata=counts,
            marker={"color": faded(GREY, 0.55), "line": {"width": 0}},
            showlegend=False,
            hovertemplate=f"{column} about %{{{along}:.2f}}: %{{customdata:,}} samples, %{{{across}:.1%}}"
            "<extra></extra>",
        )


def _reach(everything: pd.DataFrame) -> float:
    """Right end of the map: just beyond the largest variability."""
    largest = float(everything["variability"].max()) if len(everything) else 0.0
    return min(_MOST_VARIABLE, 1.04 * largest) if largest > 0 else _MOST_VARIABLE


def _axes(figure: go.Figure, everything: pd.DataFrame) -> None:
    reach = _reach(everything)
    bare_axis = {"showticklabels": False, "showgrid": False, "title": None, "fixedrange": True}
    figure.update_layout(
        xaxis={
            "domain": [0, 0.9],
            "range": [-0.015 * reach, reach],
            "title": "variability: how much its confidence varied",
        },
        yaxis={"domain": [0, 0.86], "range": [-0.02, 1.02], "title": "confidence: mean probability of its label"},
        xaxis2={"domain": [0.91, 1], **bare_axis},
        yaxis2={"domain": [0.875, 1], **bare_axis},
    )


def _name(figure: go.Figure, text: str, y: float) -> None:
    """Names a part of the map at its right end, which is empty high up and far down: there nothing can vary much."""
    figure.add_annotation(
        x=1.0,
        y=y,
        xref="x domain",
        yref="y domain",
        text=f"<b>{text}</b>",
        showarrow=False,
        xshift=-6,
        yshift={1.0: -8, 0.5: 0, 0.0: 12}[y],
        xanchor="right",
        yanchor={1.0: "top", 0.5: "middle", 0.0: "bottom"}[y],
        font={"color": faded(GREY, 0.95), "size": 13},
    )
