"""A region drawn on a chart: read from the browser's selection, kept in the address, and the points in it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

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
