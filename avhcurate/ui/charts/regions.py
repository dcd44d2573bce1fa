"""Regions drawn on a chart: the chart, the region in the address, and the points in it."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike

from avhcurate.ui.base import url_state
from avhcurate.ui.base.layout import turn, turns
from avhcurate.ui.base.page_choices import Choice
from avhcurate.ui.charts.show import clicked_id

#: A lasso keeps at most so many corners, so that it fits into an address.
_MOST_CORNERS = 48
_EVERYWHERE = (-math.inf, math.inf)
#: Plotly's name of each selection tool, and a hint.
_TOOLS = {
    "Box": ("select", "Draw a box to see the images in it."),
    "Lasso": ("lasso", "Draw a line around points to see their images."),
    "Click": ("pan", "Click a point to open its image."),
}


@dataclass(frozen=True)
class Region:
    """A polygon by its corners, or a box by two opposite ones; a box's side may be infinite."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    @property
    def box(self) -> bool:
        return len(self.x) == 2

    def holds(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """Return which points lie in it, (n,) bool; of a box also those on its edge; NaN nowhere.

        >>> Region((0, 4, 0), (0, 0, 4)).holds([1, 3, float("nan")], [1, 3, 1]).tolist()
        [True, False, False]
        """
        px = np.asarray(x, float)
        py = np.asarray(y, float)
        inside = (px >= min(self.x)) & (px <= max(self.x)) & (py >= min(self.y)) & (py <= max(self.y))
        if self.box:
            return inside
        px = px[inside]
        py = py[inside]
        odd = np.zeros(px.shape, bool)
        # A ray to the right crosses the outline of the polygon that a point lies in an odd number of times.
        for x0, y0, x1, y1 in zip(self.x, self.y, np.roll(self.x, -1), np.roll(self.y, -1), strict=True):
            if y0 != y1:
                odd ^= ((y0 > py) != (y1 > py)) & (px < x0 + (py - y0) * (x1 - x0) / (y1 - y0))
        inside[inside] = odd
        return inside

    def outline(self, low: float, high: float) -> tuple[list[float], list[float]]:
        """Return corners to draw, infinite sides cut to `low` and `high`."""
        xs, ys = (np.clip(side, low, high).tolist() for side in (self.x, self.y))
        if self.box:
            return [xs[0], xs[1], xs[1], xs[0]], [ys[0], ys[0], ys[1], ys[1]]
        return xs, ys


def read_region(text: str) -> Region:
    """Return a region from an address; ValueError for any other text.

    >>> read_region("0:0.5:0.2:1")
    Region(x=(0.0, 0.2), y=(0.5, 1.0))
    """
    numbers = [float(part) for part in text.split(":")]
    if len(numbers) % 2 or not 4 <= len(numbers) <= 2 * _MOST_CORNERS or any(map(math.isnan, numbers)):
        raise ValueError(text)
    return Region(tuple(numbers[::2]), tuple(numbers[1::2]))


def write_region(region: Region | None) -> str:
    """Return the region as text for an address: x and y of each corner; "" without one.

    >>> write_region(Region((0.0, 0.2), (0.5, 1.0)))
    '0:0.5:0.2:1'
    """
    if region is None:
        return ""
    return ":".join(f"{x:.7g}:{y:.7g}" for x, y in zip(region.x, region.y, strict=True))


def drawn_region(event: object) -> Region | None:
    """Return the region of a chart's selection; None for anything else that a browser sends.

    Only the first box or lasso counts. One drawn over a histogram at the edge bounds only that axis.

    >>> drawn_region({"selection": {"box": [{"xref": "x", "yref": "y2", "x": [0.3, 0.1], "y": [0, 9]}]}})
    Region(x=(0.1, 0.3), y=(-inf, inf))
    """
    for kind in ("box", "lasso"):
        try:
            drawn = event["selection"][kind][0]  # type: ignore[index]
            corners = np.array([drawn["x"], drawn["y"]], float)
            axes = str(drawn.get("xref", "x")), str(drawn.get("yref", "y"))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            continue
        region = _region(corners, axes, kind)
        if region is not None:
            return region
    return None


def _region(corners: np.ndarray, axes: tuple[str, str], kind: str) -> Region | None:
    """Return a region of corners (2, n) on axes, of which "x2" and "y2" are those of histograms."""
    if corners.ndim != 2 or corners.shape[1] < 2 or not np.isfinite(corners).all() or axes == ("x2", "y2"):
        return None
    if kind == "box" or axes != ("x", "y"):
        low = corners.min(axis=1).tolist()
        high = corners.max(axis=1).tolist()
        x, y = zip(low, high, strict=True)
        if axes[0] != "x":
            x = _EVERYWHERE
        if axes[1] != "y":
            y = _EVERYWHERE
        return Region(x, y)
    if corners.shape[1] == 2:
        return None
    places = np.unique(np.linspace(0, corners.shape[1] - 1, _MOST_CORNERS).round().astype(int))
    return Region(*map(tuple, corners[:, places].tolist()))


def region_choice(page: str) -> Choice[Region | None]:
    """Return the choice of a region on a page's chart; None for none."""
    return Choice(f"{page}.region", None, read_region, write_region)


def choose_tool(page: str) -> tuple[str, str]:
    """Ask for the selection tool; return Plotly's name of it and a hint."""
    tool = st.segmented_control("Select by", list(_TOOLS), default="Box", required=True, key=f"{page}.tool")
    return _TOOLS[str(tool)]


def clear_button(choice: Choice[Region | None]) -> None:
    """Draw a button that drops the region."""
    key = f"{_page(choice)}.clear"
    st.button("Clear", icon=":material/close:", type="tertiary", key=key, on_click=answer, args=(choice, None))


def chart(figure: Any, choice: Choice[Region | None], *, key: str, alt: str) -> int | None:
    """Draw a figure and put a region drawn on it into the address; return the id of a point just clicked."""
    event = st.plotly_chart(
        figure,
        key=turned(choice, key),
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displayModeBar": False, "doubleClick": False},
        alt=alt,
    )
    if (region := drawn_region(event)) is not None:
        answer(choice, region)
        st.rerun()
    clicked = clicked_id(event)
    if clicked is not None:
        turn(_page(choice))
    return clicked


def answer(choice: Choice[Any], value: object) -> None:
    """Put a selection in a chart or table into the address, and go to the first row of its images."""
    turn(_page(choice))
    url_state.write(replace(url_state.current(), row=1, sample=None).choosing(choice.name, choice.write(value)))


def turned(choice: Choice[Any], key: str) -> str:
    """Return the key of a chart or table; a new one after each selection, which would count again in every run."""
    return f"{key}.{turns(_page(choice))}"


def _page(choice: Choice[Any]) -> str:
    return choice.name.partition(".")[0]
