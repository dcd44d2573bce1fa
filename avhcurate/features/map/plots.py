"""How points are drawn: colour and symbol of each group or value, and which lie on top."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.ui.charts.chart_style import GREY, ORANGE, SERIES, SLATE, bare, faded, ramp

Window = tuple[float, float, float, float]

#: Groups that get a colour of their own; the rest are grey together.
MOST_GROUPS = 10
#: Up to so many class weights carry the name of their class.
NAMED = 40
#: Ten hues that differ on light and on dark.
_PALETTE = (*SERIES, "#66a80f", "#1098ad", "#9c6644", "#7c87f5", "#c9a27e")
#: In the legend, all groups without a colour of their own.
_REST = "others"
#: Colours of which one group lies on top of the others.
_ON_TOP = {"hsf_bin": "first", "mistake": "last", "excluded": "last"}


def ends(values: np.ndarray) -> tuple[float, float]:
    """Return the 1st and the 99th percentile, so that a few extreme values do not use up the colours."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, [0.01, 0.99]).tolist()
    if high <= low:
        high = low + 1
    return low, high


def steps(values: np.ndarray, low: float, high: float, count: int) -> np.ndarray:
    """Return which of `count` equal steps from low to high each value (n,) lies in, as a byte; `count` if missing.

    >>> steps(np.array([-1.0, 0.0, 0.5, 1.0, np.nan]), 0, 1, 4).tolist()
    [0, 0, 2, 3, 4]
    """
    shades = np.clip((values - low) / (high - low) * count, 0, count - 1)
    return np.where(np.isfinite(values), np.nan_to_num(shades), count).astype(np.uint8)


def hardest_last(values: np.ndarray, harder: str) -> np.ndarray:
    """Return positions of points by their values (n,): missing ones first, the hard end (`harder`) last.

    >>> hardest_last(np.array([0.5, np.nan, 0.1]), "low").tolist()
    [1, 0, 2]
    """
    if harder == "low":
        values = -values
    return np.argsort(np.where(np.isfinite(values), values, -np.inf), kind="stable")


def fold(groups: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return groups (n,) and names: the `MOST_GROUPS` largest in their order, the others together last; -1 stays."""
    if len(names) <= MOST_GROUPS:
        return groups, list(names)
    counts = np.bincount(groups[groups >= 0], minlength=len(names))
    largest = np.sort(np.argsort(-counts, kind="stable")[:MOST_GROUPS]).tolist()
    new = np.full(len(names) + 1, MOST_GROUPS, np.int32)
    new[largest] = np.arange(MOST_GROUPS)
    new[-1] = -1
    return new[groups], [*(names[index] for index in largest), _REST]


def drawing_order(groups: np.ndarray, color: str, number: int) -> np.ndarray:
    """Return positions of points of `groups` (n,) in the order in which they are drawn.

    They are mixed, so that no group covers another, unless one of them is to lie on top: that which stands out in
    `color`, else the second of two. Those of no group, -1, lie at the bottom.

    >>> groups = np.array([1, -1, 0, 1, 0])
    >>> groups[drawing_order(groups, "mistake", 2)].tolist(), groups[drawing_order(groups, "hsf_bin", 2)].tolist()
    ([-1, 0, 0, 1, 1], [-1, 1, 1, 0, 0])
    """
    order = np.random.default_rng(0).permutation(len(groups))
    on_top = _ON_TOP.get(color)
    rank = np.zeros_like(groups)
    if on_top == "first":
        rank = -groups
    elif on_top == "last" or (number == 2 and color not in ("label", "predicted", "split")):
        rank = groups
    rank = np.where(groups < 0, np.iinfo(np.int32).min, rank)
    return order[np.argsort(rank[order], kind="stable")]


def group_colors(kind: str, number: int) -> list[str]:
    """Return colours of `number` groups: bins from hard to easy, the exceptional in orange, else distinct hues."""
    if kind == "hsf_bin":
        return ramp(number)
    if number <= 2 and kind not in ("label", "predicted", "split"):
        return [faded(SLATE, 0.75), ORANGE][:number]
    return [*_PALETTE, GREY][:number]


def point_figure(points: pd.DataFrame, color: str) -> go.Figure:
    """Draw points, `x, y` and the column `color`, with their ids on hover: a hue for each text, a ramp for numbers."""
    figure = go.Figure()
    values = points[color]

    def add(rows: pd.DataFrame, name: str, **marker: Any) -> None:
        figure.add_scattergl(
            x=rows["x"],
            y=rows["y"],
            mode="markers",
            customdata=rows.index,
            name=name,
            hovertemplate="image %{customdata}<extra>%{fullData.name}</extra>",
            marker={"size": 4} | marker,
        )

    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(float, na_value=np.nan)
        low, high = ends(numbers)
        scale = {"cmin": low, "cmax": high, "colorscale": ramp(9), "reversescale": True, "showscale": True}
        add(points, color, color=numbers, colorbar={"title": color}, **scale)
    else:
        codes, names = pd.factorize(values, sort=True)
        groups, titles = fold(codes.astype(np.int32), [str(name) for name in names])
        for group, (title, hue) in enumerate(zip(titles, group_colors("label", len(titles)), strict=True)):
            add(points[groups == group], title, color=hue)
    bare(figure, height=560)
    figure.update_layout(showlegend=len(figure.data) > 1)
    return figure.update_yaxes(scaleanchor="x")
