"""A map of samples: points or cells in colour, class weights among them, and the region that is selected."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from avhcurate.ui.chart_style import BLUE, GREY, ORANGE, SERIES, add_region, bare, faded, ramp

Window = tuple[float, float, float, float]

#: As many points as a browser draws with ease without WebGL.
MOST_POINTS = 5_000
#: Groups that get a colour of their own; the rest are grey together.
MOST_GROUPS = 10
#: Up to so many class weights carry the name of their class.
NAMED = 40
#: Ten hues that are told apart on light and on dark.
_PALETTE = (*SERIES[:4], "#e0a800", "#d6336c", "#66a80f", "#1098ad", "#9c6644", "#7c87f5")
#: Of each colour, so that groups are told apart without it; the diamond is left to class weights.
_SYMBOLS = (
    "circle",
    "square",
    "triangle-up",
    "x",
    "cross",
    "circle-open",
    "triangle-down",
    "square-open",
    "hourglass",
    "bowtie",
)
#: In the legend, all groups without a colour of their own.
REST = "others"
#: A class weight, distinct from every sample; its white edge shows it on a dark page.
_WEIGHT = "#343a40"
_HEIGHT = 640
#: Opacity of points outside the region, which are grey: where many lie, none is seen through.
_DIM = 0.12


@dataclass(frozen=True)
class Legend:
    """Colours of groups: name, with the exact number of samples, and colour of each group by its number.

    `without`: the same for the samples of group -1, where there are any.
    """

    entries: Sequence[tuple[str, str]]
    without: tuple[str, str] | None = None


@dataclass(frozen=True)
class Scale:
    """Colours of a number: `name`, ends beyond which the colour stays, and which end is hard ("" for neither)."""

    name: str
    low: float
    high: float
    harder: str = ""

    @property
    def colors(self) -> list[str]:
        """Some from low to high."""
        return self.spread(9)

    def spread(self, count: int) -> list[str]:
        """So many from low to high: orange is hard and blue is easy."""
        return ramp(count) if self.harder == "low" else ramp(count)[::-1]

    @property
    def bar(self) -> dict[str, Any]:
        """The colour bar beside the map."""
        title = {"text": escape(self.name), "side": "right"}
        return {"title": title, "thickness": 9, "outlinewidth": 0, "len": 0.8, "nticks": 6, "tickformat": ".3~g"}


def scale_of(values: np.ndarray, name: str, harder: str = "") -> Scale:
    """A scale from the 1st to the 99th percentile, so that a few extreme values do not use up the colours."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.01, 0.99]) if len(finite) else (0.0, 1.0)
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
    """Colours of `number` groups: bins from hard to easy, the exceptional in orange, else distinct hues."""
    if kind == "hsf_bin":
        return ramp(number)
    if number <= 2 and kind not in ("label", "predicted", "split"):
        return [faded(BLUE, 0.75), ORANGE][:number]
    return [_PALETTE[index] if index < len(_PALETTE) else GREY for index in range(number)]


def points(
    x: np.ndarray,
    y: np.ndarray,
    custom: np.ndarray,
    shades: np.ndarray,
    by: Scale | Legend,
    *,
    inside: np.ndarray | None = None,
) -> go.Figure:
    """Points (n,) coloured by `shades` (n,): values on a scale, or groups of a legend.

    `custom` (n, c) goes with each point to whoever listens to the chart; hovering shows no text. Of a region, `inside`
    (n,) says which points lie in it: the others are dimmed, as they are while one is drawn.
    """
    figure = go.Figure()
    size, opacity = (5, 0.6) if len(x) > 3000 else (7, 0.8)
    bright, dim = {"marker": {"opacity": opacity}}, {"marker": {"opacity": _DIM, "color": GREY}}
    look = {"mode": "markers", "hoverinfo": "none", "selected": bright, "unselected": dim}

    def add(at: np.ndarray, name: str = "", **marker: Any) -> None:
        if len(at) or name:
            look["marker"] = {"size": size, "opacity": opacity} | marker
            if inside is not None:
                look["selectedpoints"] = np.flatnonzero(inside[at])
            figure.add_scatter(x=x[at], y=y[at], customdata=custom[at], name=name, showlegend=bool(name), **look)

    if isinstance(by, Scale):
        order = np.argsort(shades if by.harder != "low" else -shades, kind="stable")  # the hardest on top
        finite = np.isfinite(shades[order])
        add(order[~finite], color=faded(GREY, 0.5))
        ends: dict[str, Any] = {"colorscale": by.colors, "cmin": by.low, "cmax": by.high, "colorbar": by.bar}
        add(order[finite], color=shades[order[finite]].astype(np.float32), **ends)
        return figure
    if by.without is not None:
        add(np.flatnonzero(shades < 0), by.without[0], color=by.without[1])
    for index, (name, color) in enumerate(by.entries):
        add(np.flatnonzero(shades == index), name, color=color, symbol=_SYMBOLS[symbol_of(index)])
    return figure


def symbol_of(group: int) -> int:
    """The number of a group's symbol; groups without a colour of their own have the first."""
    return group if group < len(_SYMBOLS) else 0


def cells(
    x: np.ndarray, y: np.ndarray, custom: np.ndarray, counts: np.ndarray, shades: np.ndarray, by: Scale | Legend
) -> go.Figure:
    """Cells with centres `x` (columns,) and `y` (rows,): `shades` (rows, columns) are mean values or largest groups.

    Empty cells stay bare, and cells with few samples are paler, by the logarithm of `counts`.
    """
    figure = go.Figure()
    share = np.log1p(counts) / max(1e-9, float(np.log1p(counts.max(initial=0))))
    steps = np.minimum((share * 4).astype(int), 3)
    entries = () if isinstance(by, Scale) else by.entries
    look: dict[str, Any] = {"customdata": custom, "hoverinfo": "none", "hoverongaps": False, "showlegend": False}
    if isinstance(by, Scale):
        look |= {"zmin": by.low, "zmax": by.high, "colorscale": by.colors, "colorbar": by.bar}
    else:
        shades = np.where(shades >= 0, shades, np.nan).astype(float)
        look |= {"zmin": -0.5, "zmax": len(entries) - 0.5, "colorscale": _plain_steps(entries)}
    # A heat map has one opacity, so there is one for each of four classes of counts.
    for step, opacity in enumerate((0.35, 0.55, 0.78, 1.0)):
        inside = (counts > 0) & (steps == step)
        if inside.any():
            bar = isinstance(by, Scale) and bool(step == steps[counts > 0].max())
            z = np.where(inside, shades, np.nan).astype(np.float32)
            figure.add_heatmap(x=x, y=y, z=z, opacity=opacity, showscale=bar, **look)
    for name, color in entries:
        marker = {"color": color, "size": 9, "symbol": "square"}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, hoverinfo="skip")
    return figure


def _plain_steps(entries: Sequence[tuple[str, str]]) -> list[tuple[float, str]]:
    """A colour scale of plain steps, one a group."""
    number = len(entries)
    ends = [(place / number, color) for index, (_, color) in enumerate(entries) for place in (index, index + 1)]
    return ends or [(0.0, GREY), (1.0, GREY)]


def add_class_weights(figure: go.Figure, places: np.ndarray, names: Sequence[str]) -> bool:
    """The class weights (K, 2) as diamonds; returns whether they carry their names, as few of them do."""
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(placed):
        return False
    opaque = {"marker": {"opacity": 1}}
    figure.add_scatter(
        x=places[placed, 0],
        y=places[placed, 1],
        customdata=np.stack([np.full(len(placed), -1), placed], axis=1),
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": _WEIGHT, "line": {"color": "white", "width": 1.5}},
        name=f"class weights ({len(placed):,})",
        showlegend=True,
        hoverinfo="none",
        selected=opaque,
        unselected=opaque,
    )
    few = len(placed) <= NAMED
    for index in placed.tolist() if few else ():
        _name(figure, places[index], names[index] if index < len(names) else str(index), above=17)
    return few


def add_group_names(figure: go.Figure, x: np.ndarray, y: np.ndarray, groups: np.ndarray, names: Sequence[str]) -> None:
    """The name of each group, the first `MOST_GROUPS`, at the median of its points (n,)."""
    for index, name in enumerate(names[:MOST_GROUPS]):
        inside = groups == index
        if inside.any():
            _name(figure, (np.median(x[inside]), np.median(y[inside])), name)


def add_found(figure: go.Figure, x: float, y: float, name: str) -> None:
    """Marks the image that was looked for."""
    ring = {"symbol": "circle-open", "size": 22, "color": _WEIGHT, "line": {"width": 2.5}}
    figure.add_scatter(x=[x], y=[y], mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
    _name(figure, (x, y), name, above=21)


def _name(figure: go.Figure, place: Sequence[float] | np.ndarray, text: str, *, above: int = 0) -> None:
    """Writes a name on the map."""
    figure.add_annotation(
        x=float(place[0]),
        y=float(place[1]),
        text=escape(short(text)),
        yshift=above,
        showarrow=False,
        captureevents=False,
        opacity=0.9,
        borderpad=2,
        bgcolor=_WEIGHT,
        bordercolor="white",
        font={"size": 12, "color": "white"},
    )


def short(name: str, most: int = 18) -> str:
    """A name that is short enough to be written on the map."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def framed(
    figure: go.Figure,
    window: Window,
    *,
    outline: tuple[Sequence[float], Sequence[float]] | None = None,
    dragmode: str = "select",
    axes: tuple[str, str] = ("", ""),
    legend: str = "",
    below: bool = False,
    revision: str = "",
) -> go.Figure:
    """The frame of a map: the window, both axes to one scale, legend and outline of the region; returns `figure`.

    The legend stands at the right, or `below` the map. Another `revision` drops what the user drew before.
    """
    place = {"orientation": "h", "y": -0.06, "yanchor": "top"} if below else {"x": 1.01, "y": 1}
    add_region(figure, outline)
    bare(figure, height=_HEIGHT, x=axes[0], y=axes[1], margin={"t": 8})
    left, right, low, high = window
    ticks = {"showticklabels": False, "ticks": "", "showgrid": False}
    return figure.update_layout(
        dragmode=dragmode,
        clickmode="event",
        newselection_line_width=1.5,
        selections=[],
        selectionrevision=revision,
        uirevision=revision,
        showlegend=True,
        legend={"title": {"text": escape(legend), "font": {"size": 12}}, "itemsizing": "constant", **place},
        xaxis={"range": [left, right], **ticks},
        yaxis={"range": [low, high], "scaleanchor": "x", **ticks},
    )
