"""Regions drawn on a chart: the chart, the region in the address, and the points in it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike

from avhcurate.ui import url_state
from avhcurate.ui.charts import clicked_id
from avhcurate.ui.page_choices import Choice

#: A lasso keeps at most so many corners, so that it fits into an address.
_MOST_CORNERS = 48


@dataclass(frozen=True)
class Region:
    """A polygon by its corners, or a box by two opposite ones; a box's side may be infinite."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    @property
    def box(self) -> bool:
        return len(self.x) == 2

    def holds(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """Which points lie in it, (n,) bool; of a box also those on its edge; NaN nowhere.

        >>> Region((0, 4, 0), (0, 0, 4)).holds([1, 3, float("nan")], [1, 3, 1]).tolist()
        [True, False, False]
        """
        px, py = np.asarray(x, float), np.asarray(y, float)
        if self.box:
            (left, right), (low, high) = sorted(self.x), sorted(self.y)
            return (px >= left) & (px <= right) & (py >= low) & (py <= high)
        # Few of many points lie near a small polygon: only those in its bounding box are tested.
        near = Region((min(self.x), max(self.x)), (min(self.y), max(self.y))).holds(px, py)
        inside, px, py = np.zeros(px.shape, bool), px[near], py[near]
        odd = np.zeros(px.shape, bool)
        # A ray to the right crosses the outline of the polygon that a point lies in an odd number of times.
        for x0, y0, x1, y1 in zip(self.x, self.y, (*self.x[1:], self.x[0]), (*self.y[1:], self.y[0]), strict=True):
            if y0 != y1:
                crosses = (y0 > py) != (y1 > py)
                odd ^= crosses & (px < x0 + (py - y0) * (x1 - x0) / (y1 - y0))
        inside[near] = odd
        return inside

    def outline(self, low: float, high: float) -> tuple[list[float], list[float]]:
        """Corners to draw, infinite sides cut to `low` and `high`."""
        xs, ys = ([min(max(value, low), high) for value in side] for side in (self.x, self.y))
        if self.box:
            return [xs[0], xs[1], xs[1], xs[0]], [ys[0], ys[0], ys[1], ys[1]]
        return xs, ys


def read_region(text: str) -> Region:
    """A region from an address; ValueError for any other text.

    >>> read_region("0:0.5:0.2:1")
    Region(x=(0.0, 0.2), y=(0.5, 1.0))
    """
    numbers = [float(part) for part in text.split(":")]
    if len(numbers) % 2 or not 4 <= len(numbers) <= 2 * _MOST_CORNERS or any(map(math.isnan, numbers)):
        raise ValueError(text)
    return Region(tuple(numbers[::2]), tuple(numbers[1::2]))


def write_region(region: Region) -> str:
    """The region as text for an address: x and y of each corner.

    >>> write_region(Region((0.0, 0.2), (0.5, 1.0)))
    '0:0.5:0.2:1'
    """
    return ":".join(f"{value:.7g}" for corner in zip(region.x, region.y, strict=True) for value in corner)


def drawn_region(event: object) -> Region | None:
    """The region of a chart's selection; None for anything else that a browser sends.

    Only the first box or lasso counts. One drawn over a histogram at the edge bounds that axis alone.

    >>> drawn_region({"selection": {"box": [{"xref": "x", "yref": "y2", "x": [0.3, 0.1], "y": [0, 9]}]}})
    Region(x=(0.1, 0.3), y=(-inf, inf))
    """
    selection = event.get("selection") if isinstance(event, Mapping) else None
    if not isinstance(selection, Mapping):
        return None
    for kind in ("box", "lasso"):
        drawn = selection.get(kind)
        if isinstance(drawn, Sequence) and drawn and (region := _region(drawn[0], kind)) is not None:
            return region
    return None


def _region(drawn: Any, kind: str) -> Region | None:
    try:
        x, y = ([float(value) for value in drawn[side]] for side in ("x", "y"))
        xref, yref = str(drawn.get("xref", "x")), str(drawn.get("yref", "y"))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if len(x) != len(y) or len(x) < 2 or not all(map(math.isfinite, [*x, *y])) or (xref, yref) == ("x2", "y2"):
        return None
    if kind == "box" or xref != "x" or yref != "y":
        across = (min(x), max(x)) if xref == "x" else (-math.inf, math.inf)
        upwards = (min(y), max(y)) if yref == "y" else (-math.inf, math.inf)
        return Region(across, upwards)
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_CORNERS)).round().astype(int))
    return Region(tuple(x[i] for i in kept), tuple(y[i] for i in kept)) if len(kept) > 2 else None


#: Plotly's name of each selection tool, and a hint.
_TOOLS = {
    "Box": ("select", "Draw a box to see the images in it."),
    "Lasso": ("lasso", "Draw a line around points to see their images."),
    "Click": ("pan", "Click a point to open its image."),
}


def region_choice(page: str) -> Choice[Region | None]:
    """The region chosen on a page's chart; None for none."""
    return Choice(f"{page}.region", None, read_region, lambda region: write_region(region) if region else "")


def choose_tool(page: str) -> tuple[str, str]:
    """Asks for the selection tool; returns Plotly's name of it and a hint."""
    return _TOOLS[
        str(st.segmented_control("Select by", list(_TOOLS), default="Box", required=True, key=f"{page}.tool"))
    ]


def clear_button(choice: Choice[Region | None]) -> None:
    """A button that drops the region."""
    page = _page(choice)
    st.button(
        "Clear", icon=":material/close:", type="tertiary", key=f"{page}.clear", on_click=answer, args=(choice, None)
    )


def chart(figure: Any, choice: Choice[Region | None], *, key: str, alt: str) -> int | None:
    """Draws a figure and puts a region drawn on it into the address; returns the id of a point just clicked."""
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
    if (clicked := clicked_id(event)) is not None:
        _turn(choice)
    return clicked


def answer(choice: Choice[Any], value: object) -> None:
    """Puts a selection in a chart or table into the address, and goes to the first row of its images."""
    _turn(choice)
    url_state.write(replace(url_state.current(), row=1, sample=None).choosing(choice.name, choice.write(value)))


def turned(choice: Choice[Any], key: str) -> str:
    """The key of a chart or table; a new one after each selection, which would otherwise count again in every run."""
    return f"{key}.{st.session_state.setdefault(f'{_page(choice)}.turn', 0)}"


def _turn(choice: Choice[Any]) -> None:
    name = f"{_page(choice)}.turn"
    st.session_state[name] = st.session_state.get(name, 0) + 1


def _page(choice: Choice[Any]) -> str:
    return choice.name.partition(".")[0]
