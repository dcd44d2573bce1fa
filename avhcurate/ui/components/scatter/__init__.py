"""A scatter chart of any number of points: one Streamlit element, whose points the browser reads from a route.

It keeps them as they come (`scatter_routes`), so that moving, hovering and drawing a region run no script. Of a region
only the outline is sent, as of a chart that `listener` hears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from avhcurate.ui.components import hover
from avhcurate.ui.components.mount import mount, nothing

#: Shades that points may have; the last is that of points without a group or a value.
SHADES = 256
#: Symbols that groups may have (symbols.js).
SYMBOLS = 10

_HTML = f"""
<div class="scatter-chart">
  <div class="plot">
    <p class="up"></p>
    <div class="stage" tabindex="0" role="application" aria-describedby="scatter-keys">
      <canvas class="points"></canvas>
      <svg class="over" aria-hidden="true"><path class="region"/><path class="marks"/><circle class="found" r="11"/>
        <path class="draft"/></svg>
      <div class="names" aria-hidden="true"></div>
      <p class="notice" role="status"></p>
    </div>
    <p class="across"></p>
  </div>
  <div class="legend"></div>
  <p class="hint" id="scatter-keys"><kbd>drag</kbd> select or move · <kbd>click</kbd> open · <kbd>arrows</kbd> move ·
  <kbd>+</kbd> <kbd>-</kbd> zoom · <kbd>0</kbd> whole map · <kbd>enter</kbd> select what is in sight</p>
  {hover.MARKUP}
</div>
"""
_SCRIPT = hover.SCRIPT + "\n".join(
    (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")
    for name in ("gl", "symbols", "places", "camera", "pointer", "overlay", "legend")
)

Rgba = tuple[int, int, int, int]
Window = tuple[float, float, float, float]


@dataclass(frozen=True)
class LegendEntry:
    """A group in the legend: its name, colour as CSS has it, number of its symbol, and the shade of its points."""

    name: str
    color: str
    symbol: int
    shade: int


@dataclass(frozen=True)
class PlacedName:
    """A text at a place of the chart."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Marks:
    """Diamonds among the points at places `x` and `y`, with their names, which are written where `named`.

    `title` stands in the legend, `what` below the name of the one under the pointer.
    """

    x: Sequence[float] = ()
    y: Sequence[float] = ()
    names: Sequence[str] = ()
    named: bool = False
    title: str = ""
    what: str = ""


@dataclass(frozen=True)
class ScatterLook:
    """How points look: colour and symbol of each shade, and `none` of the last; what the legend says of them.

    `ramp`: colours of a number from low to high as CSS has them, with the `ticks` beside them; else `entries`.
    """

    colors: Sequence[Rgba]
    symbols: Sequence[int]
    none: Rgba
    title: str
    entries: Sequence[LegendEntry] = ()
    ramp: Sequence[str] = ()
    ticks: Sequence[str] = ()


def scatter(
    *,
    key: str,
    label: str,
    source: str,
    rows: str,
    count: int,
    bounds: Window,
    whole: Window,
    window: Window | None,
    tool: str,
    look: ScatterLook,
    score: str,
    marks: Marks = Marks(),
    names: Sequence[PlacedName] = (),
    found: PlacedName | None = None,
    region: tuple[Sequence[float], Sequence[float]] | None = None,
    axes: tuple[str, str] = ("", ""),
    below: bool = False,
    on_event: Callable[[], None],
    on_unsupported: Callable[[], None],
) -> None:
    """Draws the chart; `on_event` is called before the page runs, see `listener.heard`.

    `source` is the address of `count` points, whose places are shares of `bounds`; the tile of each lies at the same
    place below `rows`, the address of a view with the number `score` on its tiles. `window` is what is in sight, None
    for the `whole`. `tool` is "lasso", "select" or "pan". `region` gives the corners (x and y) of what is selected,
    outside which points are dimmed; `found` is marked. The legend stands at the right, or `below`. `on_unsupported` is
    called where the browser has no WebGL 2.
    """
    legend = {"title": look.title, "entries": [asdict(entry) for entry in look.entries]}
    mount(
        __file__,
        _HTML,
        script=_SCRIPT,
        style=hover.STYLE,
        key=key,
        data={
            "label": label,
            "source": source,
            "rows": rows,
            "count": count,
            "bounds": bounds,
            "whole": whole,
            "window": window,
            "tool": tool,
            "colors": list(look.colors),
            "symbols": list(look.symbols),
            "none": look.none,
            "legend": legend | ({"scale": {"colors": list(look.ramp), "ticks": list(look.ticks)}} if look.ramp else {}),
            "score": score,
            "marks": asdict(marks),
            "names": [asdict(name) for name in names],
            "found": asdict(found) if found else None,
            "region": {"x": list(region[0]), "y": list(region[1])} if region else None,
            "axes": axes,
            "below": below,
        },
        on_region_change=on_event,
        on_window_change=on_event,
        on_clicked_change=on_event,
        on_lost_change=nothing,
        on_unsupported_change=on_unsupported,
    )
