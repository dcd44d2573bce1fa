"""A scatter chart of any number of points: one Streamlit element, whose points the browser reads from a route.

The browser keeps them, so that moving, hovering and drawing a region run no script. Of a region only
the outline is sent.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NotRequired
from weakref import WeakValueDictionary

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from typing_extensions import TypedDict

from avhcurate.ui.base.answers import NEVER_KEPT, base_path, kept
from avhcurate.ui.charts.regions import Region, drawn_region
from avhcurate.ui.components.mount import is_count, mount, nothing

#: Shades that points may have; the last is that of points without a group or a value.
SHADES = 256

_HTML = """
<div class="scatter-chart">
  <div class="plot">
    <p class="up"></p>
    <div class="stage" tabindex="0" role="application" aria-describedby="scatter-keys">
      <canvas class="points"></canvas>
      <svg class="over" aria-hidden="true"><path class="region"/><path class="marks"/>
        <circle class="found" r="11"/><circle class="pointed" r="8"/>
        <path class="draft"/></svg>
      <div class="names" aria-hidden="true"></div>
      <p class="notice" role="status"></p>
    </div>
    <p class="across"></p>
  </div>
  <div class="legend"></div>
  <p class="hint" id="scatter-keys"><kbd>drag</kbd> select or move · <kbd>click</kbd> open · <kbd>arrows</kbd> move ·
  <kbd>+</kbd> <kbd>-</kbd> zoom · <kbd>0</kbd> whole map · <kbd>enter</kbd> select what is in sight</p>
  <figure class="card" role="status" aria-live="polite" aria-label="Image under the pointer" hidden>
    <img alt="">
    <figcaption><span class="title"></span><span class="line"></span><span class="value"></span></figcaption>
  </figure>
</div>
"""
_STYLE = Path(__file__).with_name("hover.css").read_text(encoding="utf-8")

Window = tuple[float, float, float, float]


class Corners(TypedDict):
    """The corners of a region."""

    x: Sequence[float]
    y: Sequence[float]


class Name(TypedDict):
    """A text at a place."""

    x: float
    y: float
    text: str


class LegendEntry(TypedDict):
    """A group in the legend."""

    name: str
    color: str
    symbol: int
    shade: int


class Scale(TypedDict):
    """Colours of a number, and what is written next to them."""

    colors: Sequence[str]
    ticks: Sequence[str]


class Legend(TypedDict):
    """Groups, or the scale of a number."""

    title: str
    entries: Sequence[LegendEntry]
    scale: NotRequired[Scale]


class Marks(Corners):
    """Diamonds with names, written if `named`; `what` stands below the name of the one under the pointer."""

    names: Sequence[str]
    named: bool
    title: str
    what: str


class ScatterData(TypedDict):
    """What the script reads: the address `source` of `count` points, whose places are shares of `bounds`.

    The tile of each lies at the same place below `rows`, the address of a view with the number `score` on its tiles.
    `window` is what is in sight, None for the `whole`. `label` describes the chart, and `axes` are titles. `colors`
    (red, green, blue, opacity) and `symbols` are those of each shade, `none` is the colour of the last. Points outside
    the `region` are dimmed. What is selected or pointed at in a grid on the page is marked; `linked`: that grid goes to
    the image that is clicked, of which no report comes.
    """

    source: str
    count: int
    bounds: Window
    rows: str
    score: str
    window: Window | None
    whole: Window
    tool: Literal["lasso", "select", "pan"]
    label: str
    axes: Sequence[str]
    colors: Sequence[Sequence[int]]
    symbols: Sequence[int]
    none: Sequence[int]
    legend: Legend
    marks: Marks
    names: Sequence[Name]
    found: Name | None
    region: Corners | None
    below: bool
    linked: bool


def scatter(
    *,
    key: str,
    region: tuple[Sequence[float], Sequence[float]] | None,
    on_event: Callable[[], None],
    **data: Any,
) -> None:
    """Draw the chart, see `ScatterData`; `on_event` is called before the page runs, see `heard`."""
    data |= {"region": region and {"x": region[0], "y": region[1]}, "below": region is not None}
    heard = {f"on_{state}_change": on_event for state in ("region", "window", "clicked")}
    mount(__file__, _HTML, style=_STYLE, key=key, data=data, on_lost_change=nothing, **heard)


@dataclass(frozen=True)
class ChartEvent:
    """What the user did on the chart: drew a region, moved the window (left, right, low, high), clicked a sample."""

    region: Region | None = None
    window: Window | None = None
    clicked: int | None = None


def heard(key: str) -> ChartEvent:
    """Return the last report of a chart, for its callback."""
    return decode(st.session_state.get(key) or {})


def decode(sent: Mapping[str, Any]) -> ChartEvent:
    """Read what the browser sent, which may be anything.

    >>> decode({"region": {"box": [{"x": [0, 1], "y": [2, 3]}]}, "window": [0, "a", 1, 2], "clicked": 7})
    ChartEvent(region=Region(x=(0.0, 1.0), y=(2.0, 3.0)), window=None, clicked=7)
    """
    clicked = None
    if is_count(sent.get("clicked")):
        clicked = sent["clicked"]
    return ChartEvent(drawn_region({"selection": sent.get("region")}), _window(sent.get("window")), clicked)


def _window(sent: Any) -> Window | None:
    try:
        west, east, low, high = (float(value) for value in sent)
    except (TypeError, ValueError):
        return None
    if not all(map(math.isfinite, (west, east, low, high))) or west >= east or low >= high:
        return None
    return west, east, low, high


# --- the points ------------------------------------------------------------------------------------------------------


#: Steps of a coordinate, from one end of the bounds to the other.
_STEPS = 65_535
#: The shade of a point without a group or a value.
NO_SHADE = SHADES - 1

_SECRET = secrets.token_bytes(32)
_CLOUDS: WeakValueDictionary[str, PointCloud] = WeakValueDictionary()
_NAMING = threading.Lock()


@dataclass(frozen=True)
class PointCloud:
    """Points as they are sent: `body` holds x and y of each as shares of the bounds, in 16 bits, then a shade each.

    `bounds` are left, right, low and high. It can be read by its `key` while somebody holds it.
    """

    key: str
    bounds: Window
    body: bytes

    @property
    def url(self) -> str:
        return f"{base_path()}/points/{self.key}"


def point_cloud(x: np.ndarray, y: np.ndarray, shades: np.ndarray) -> PointCloud:
    """Points (n,) in the order in which they are drawn; `shades` (n,) are whole numbers from 0 to 255."""
    bounds = []
    sides = []
    for side in (x, y):
        low, high = (float(side.min()), float(side.max())) if len(side) else (0.0, 1.0)
        high = high if high > low else low + 1.0
        bounds += [low, high]
        sides.append(np.rint((side.astype(np.float64) - low) * (_STEPS / (high - low))).astype("<u2"))
    body = np.stack(sides, axis=1).tobytes() + shades.astype(np.uint8).tobytes()
    key = blake2b(body + repr(bounds).encode(), key=_SECRET, digest_size=16).hexdigest()
    cloud = PointCloud(key, (bounds[0], bounds[1], bounds[2], bounds[3]), body)
    with _NAMING:
        return _CLOUDS.setdefault(key, cloud)


def points(request: Request) -> Response:
    """Return the bytes of a cloud, which never change under its key."""
    cloud = _CLOUDS.get(request.path_params["key"])
    if cloud is None:
        return PlainTextResponse("These points are no longer open.", status_code=404, headers=NEVER_KEPT)
    answer = kept(request, cloud.body, cloud.key, "application/octet-stream", for_good=True)
    answer.headers["Content-Encoding"] = "identity"  # else Streamlit's middleware would compress it
    return answer


def routes() -> list[Route]:
    """Return the route, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/points/{{key}}", points)]
