"""The bytes of a scatter chart as a browser reads them."""

from collections.abc import Sequence

import numpy as np


def read_points(body: bytes, bounds: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places `x` and `y` (n,) and shades (n,) of the points in `body`."""
    count = len(body) // 5
    shares = np.frombuffer(body, "<u2", 2 * count).reshape(count, 2) / 65535
    left, right, low, high = bounds
    shades = np.frombuffer(body, np.uint8, count, 4 * count).astype(int)
    return left + shares[:, 0] * (right - left), low + shares[:, 1] * (high - low), shades
