"""The bytes of a scatter chart as a browser reads them, and which points lie in a polygon, found another way."""

from collections.abc import Sequence

import numpy as np


def read_points(body: bytes, bounds: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places `x` and `y` (n,) and shades (n,) of the points in `body`."""
    count = len(body) // 5
    shares = np.frombuffer(body, "<u2", 2 * count).reshape(count, 2) / 65535
    left, right, low, high = bounds
    shades = np.frombuffer(body, np.uint8, count, 4 * count).astype(int)
    return left + shares[:, 0] * (right - left), low + shares[:, 1] * (high - low), shades


def inside_polygon(places: np.ndarray, corners: Sequence[tuple[float, float]]) -> np.ndarray:
    """Which places (n, 2) lie in a polygon: its corners turn around them by a whole circle, not by none."""
    spokes = np.asarray(corners, float)[None] - places[:, None]
    angles = np.arctan2(spokes[..., 1], spokes[..., 0])
    turns = np.diff(angles, axis=1, append=angles[:, :1])
    return np.abs(((turns + np.pi) % (2 * np.pi) - np.pi).sum(axis=1)) > np.pi
