"""A map of samples: points or cells in colour, class weights among them, and the region that is selected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from avhcurate.ui.chart_style import BLUE, GREY, ORANGE, SERIES, add_region, bare, faded, ramp

Window = tuple[float, float, float, float]

#: As many points as a browser draws with ease.
MOST_POINTS = 20_000
#: Groups that get a colour of their own; the rest are grey together.
MOST_GROUPS = 10
#: Class weights up to so many bear their class's name.
_NAMED = 40
#: Ten hues that stand apart on light and on dark.
_PALETTE = (*SERIES[:4], "#e0a800", "#d6336c", "#66a80f", "#1098ad", "#9c6644", "#7c87f5")
#: A class weight, told from every sample; its white edge shows it on a dark page.
_WEIGHT = "#343a40"
_HEIGHT = 640


@dataclass(frozen=True)
class Group:
    """One entry of the legend: its name with the exact number of samples, and its colour."""

    name: str
    color: str


@dataclass(frozen=True)
class Scale:
    """Colours of a number: `name`, ends beyond which nothing changes, and which end is hard, "" where neither is."""

    name: str
    low: float
    high: float
    harder: str = ""

    @property
    def colors(self) -> list[str]:
        """From low to high: orange is hard and blue is easy."""
        return ramp(9) if self.harder == "low" else ramp(9)[::-1]


def scale_of(values: np.ndarray, name: str, harder: str = "") -> Scale:
    """A scale whose ends are the 1st and 99th percentile, so that a few extreme values do not leave the rest alike."""
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.01, 0.99]) if len(known) else (0.0, 1.0)
    return Scale(name, float(low), float(high) if high > low else float(low) + 1.0, harder)


def fold(groups: np.ndarray, names: Sequence[str], *, rest: str) -> tuple[np.ndarray, list[str]]:
    """Groups (n,) and their names: the `MOST_GROUPS` largest in their order, the others together last; -1 stays."""
    if len(names) <= MOST_GROUPS:
        return groups, list(names)
    counts = np.bincount(groups[groups >= 0], minlength=len(names))
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_GROUPS])
    new = np.full(len(names) + 1, MOST_GROUPS, np.int32)
    new[kept], new[-1] = np.arange(len(kept)), -1
    return new[groups], [*(names[int(index)] for index in kept), rest]


def group_colors(kind: str, number: int) -> list[str]:
    """Colours of `number` groups: bins from hard to easy, what stands out in orange, else hues that stand apart."""
    if kind == "hsf_bin":
        return ramp(number)
    if number <= 2 and kind not in ("label", "predicted", "split"):
        return [faded(BLUE, 0.75), ORANGE][:number]
    return [_PALETTE[index] if index < len(_PALETTE) else GREY for index in range(number)]


def points(
    x: np.ndarray,
    y: np.ndarray,
    custom: np.ndarray,
    *,
    values: np.ndarray | None = None,
    scale: Scale | None = None,
    groups: np.ndarray | None = None,
    legend: Sequence[Group] = (),
    without: Group | None = None,
) -> go.Figure:
    """Points (n,) coloured by `values` on a `scale`, or by `groups` (n,), places in `legend`, -1 for `without`.

    `custom` (n, c) goes with each point to whoever listens to the chart; nothing is said on hovering.
    """
    figure = go.Figure()
    crowded = len(x) > 3000
    marker: dict[str, Any] = {"size": 5 if crowded else 7, "opacity": 0.6 if crowded else 0.8}
    if values is not None and scale is not None:
        shown = np.argsort(values if scale.harder != "low" else -values, kind="stable")  # the hardest on top
        look = marker | {
            "color": values[shown].astype(np.float32), "colorscale": scale.colors, "cmin": scale.low,
            "cmax": scale.high, "colorbar": _bar(scale),
        }  # fmt: skip
        known = np.isfinite(values[shown])
        _scatter(figure, x, y, custom, shown[~known], marker | {"color": faded(GREY, 0.5)}, name="")
        _scatter(figure, x, y, custom, shown[known], look | {"color": look["color"][known]}, name="")
        return figure
    assert groups is not None
    if without is not None:
        _scatter(figure, x, y, custom, np.flatnonzero(groups < 0), marker | {"color": without.color}, name=without.name)
    for index, group in enumerate(legend):
        at = np.flatnonzero(groups == index)
        _scatter(figure, x, y, custom, at, marker | {"color": group.color}, name=group.name)
    return figure


def _scatter(
    figure: go.Figure,
    x: np.ndarray,
    y: np.ndarray,
    custom: np.ndarray,
    at: np.ndarray,
    marker: Mapping[str, Any],
    *,
    name: str,
) -> None:
    if not len(at) and not name:
        return
    same = {"marker": {"opacity": marker["opacity"]}}
    figure.add_scattergl(
        x=x[at], y=y[at], customdata=custom[at], mode="markers", name=name, showlegend=bool(name), marker=dict(marker),
        hoverinfo="none", selected=same, unselected=same,
    )  # fmt: skip


def cells(
    x: np.ndarray,
    y: np.ndarray,
    custom: np.ndarray,
    *,
    counts: np.ndarray,
    values: np.ndarray | None = None,
    scale: Scale | None = None,
    groups: np.ndarray | None = None,
    legend: Sequence[Group] = (),
) -> go.Figure:
    """Cells with centres `x` (columns,) and `y` (rows,): mean `values` or largest `groups` (rows, columns).

    Empty cells stay bare, and cells with few samples are paler, by the logarithm of `counts`.
    """
    figure = go.Figure()
    share = np.log1p(counts) / max(1e-9, float(np.log1p(counts.max(initial=0))))
    steps = np.minimum((share * 4).astype(int), 3)
    # A heat map has one opacity, so cells of like crowding are drawn together.
    for step, opacity in enumerate((0.35, 0.55, 0.78, 1.0)):
        inside = (counts > 0) & (steps == step)
        if not inside.any():
            continue
        look: dict[str, Any]
        if values is not None and scale is not None:
            z = np.where(inside, values, np.nan)
            look = {"zmin": scale.low, "zmax": scale.high, "colorscale": scale.colors}
            look |= {"colorbar": _bar(scale), "showscale": bool(step == steps[counts > 0].max())}
        else:
            assert groups is not None
            z = np.where(inside & (groups >= 0), groups, np.nan).astype(float)
            look = {"zmin": -0.5, "zmax": len(legend) - 0.5, "colorscale": _stepped(legend), "showscale": False}
        figure.add_heatmap(
            x=x, y=y, z=z.astype(np.float32), customdata=custom, opacity=opacity, hoverinfo="none",
            hoverongaps=False, showlegend=False, **look,
        )  # fmt: skip
    for group in legend:
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=group.name, marker={"color": group.color, "size": 9},
            hoverinfo="skip",
        )  # fmt: skip
    return figure


def _stepped(legend: Sequence[Group]) -> list[tuple[float, str]]:
    """A scale of plain steps, one a group."""
    number = len(legend)
    ends = [(place / number, group.color) for index, group in enumerate(legend) for place in (index, index + 1)]
    return ends or [(0.0, GREY), (1.0, GREY)]


def _bar(scale: Scale) -> dict[str, Any]:
    title = {"text": escape(scale.name), "side": "right"}
    return {"title": title, "thickness": 9, "outlinewidth": 0, "len": 0.8, "nticks": 6, "tickformat": ".3~g"}


def add_class_weights(figure: go.Figure, places: np.ndarray, names: Sequence[str]) -> None:
    """The class weights (K, 2) as diamonds; few of them bear their names."""
    there = np.flatnonzero(np.isfinite(places).all(axis=1))
    # Points of WebGL lie above all others, so these are such points too.
    figure.add_scattergl(
        x=places[there, 0], y=places[there, 1], mode="markers", hoverinfo="none",
        marker={"symbol": "diamond", "size": 11, "color": _WEIGHT, "line": {"color": "white", "width": 1.5}},
        customdata=np.stack([np.full(len(there), -1), there], axis=1), name=f"class weights ({len(there):,})",
        showlegend=True, selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip
    for index in there.tolist() if len(there) <= _NAMED else ():
        figure.add_annotation(
            x=float(places[index, 0]), y=float(places[index, 1]), yshift=17, showarrow=False, captureevents=False,
            text=escape(_short(names[index] if index < len(names) else str(index))), borderpad=2, bgcolor=_WEIGHT,
            bordercolor="white", opacity=0.9, font={"size": 12, "color": "white"},
        )  # fmt: skip


def _short(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def framed(
    figure: go.Figure,
    window: Window,
    *,
    outline: tuple[Sequence[float], Sequence[float]] | None = None,
    dragmode: str = "select",
    axes: tuple[str, str] = ("", ""),
    legend: str = "",
    revision: str = "",
) -> go.Figure:
    """The frame of a map: the window, both axes to one scale, legend and outline of the region; returns `figure`.

    `revision`: another text drops what the user drew before.
    """
    add_region(figure, outline)
    bare(figure, height=_HEIGHT, x=axes[0], y=axes[1], margin={"t": 8})
    left, right, low, high = window
    ticks = {"showticklabels": False, "ticks": "", "showgrid": False}
    figure.update_layout(
        dragmode=dragmode,
        clickmode="event",
        newselection_line_width=1.5,
        selections=[],
        selectionrevision=revision,
        uirevision=revision,
        showlegend=True,
        legend={"title": {"text": escape(legend), "font": {"size": 12}}, "itemsizing": "constant", "x": 1.01, "y": 1},
        xaxis={"range": [left, right], **ticks},
        yaxis={"range": [low, high], "scaleanchor": "x", **ticks},
    )
    return figure
