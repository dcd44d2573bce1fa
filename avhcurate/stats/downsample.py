"""What to draw of more points than a chart can show: some of them, from every group, or how many lie in each cell."""

from dataclasses import dataclass

import numpy as np

from avhcurate.errors import CurateError


def downsample(groups: np.ndarray, *, most: int, even: bool = False, seed: int = 0) -> np.ndarray:
    """Positions of `most` elements of `groups` (n,) of small whole numbers from -1, ascending; all where they are few.

    Every group gets its share, and a small one at least a quarter of an equal share, or all that it has. `even`: each
    group keeps up to the same number, so that rare groups stay whole.

    >>> groups = np.array([0] * 96 + [1] * 4)
    >>> [np.bincount(groups[downsample(groups, most=20, even=even)]).tolist() for even in (False, True)]
    [[18, 2], [16, 4]]
    """
    if len(groups) <= most:
        return np.arange(len(groups))
    codes = groups.astype(np.int64) + 1
    counts = np.bincount(codes)
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    place = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each in its group
    if not even:
        least = np.minimum(counts, most // (4 * int((counts > 0).sum())))
        share = (place - np.repeat(least, counts) + 1) / np.repeat(np.maximum(counts - least, 1), counts)
        place = np.maximum(share, 0)
    return np.sort(order[np.argsort(place, kind="stable")[:most]])


def evenly_spread(n: int, limit: int | None) -> np.ndarray:
    """`limit` of the numbers 0 to n-1, ascending and evenly spread; all of them without a limit.

    >>> evenly_spread(10, 4).tolist()
    [0, 2, 5, 7]
    """
    if limit is None or limit >= n:
        return np.arange(n)
    if limit < 1:
        raise CurateError(f"--limit {limit}: give a number of samples, 1 or more")
    return np.arange(limit) * n // limit


@dataclass(frozen=True)
class Cells:
    """A window cut into rows and columns. `counts` (rows, columns) of points; `example` the position of one, -1 of
    none. `of` (n,) is the cell of each point, -1 outside.
    """

    x: np.ndarray
    y: np.ndarray
    counts: np.ndarray
    example: np.ndarray
    of: np.ndarray

    def means(self, values: np.ndarray) -> np.ndarray:
        """Mean of the finite `values` (n,) in each cell, NaN where there is none."""
        known = (self.of >= 0) & np.isfinite(values)
        number = np.bincount(self.of[known], minlength=self.counts.size)
        total = np.bincount(self.of[known], values[known], minlength=self.counts.size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (total / np.where(number, number, np.nan)).reshape(self.counts.shape)

    def majorities(self, groups: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The largest of `number` groups in each cell, -1 where there is no point, and its share of the cell."""
        known = (self.of >= 0) & (groups >= 0)
        table = np.bincount(self.of[known] * number + groups[known], minlength=self.counts.size * number)
        table = table.reshape(*self.counts.shape, number)
        largest = table.max(axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(largest > 0, table.argmax(axis=2), -1), largest / self.counts


def cut(x: np.ndarray, y: np.ndarray, window: tuple[float, float, float, float], *, columns: int, rows: int) -> Cells:
    """Points (n,) in the cells of a window (left, right, low, high); its far edges belong to the last cells.

    >>> cut(np.array([0.0, 1.0, 9.0]), np.array([0.0, 1.0, 0.0]), (0, 1, 0, 1), columns=2, rows=2).counts.tolist()
    [[1, 0], [0, 1]]
    """
    left, right, low, high = window
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    across, up = (right - left) / columns or 1.0, (high - low) / rows or 1.0
    column = np.minimum(((x[inside] - left) / across).astype(np.int64), columns - 1)
    row = np.minimum(((y[inside] - low) / up).astype(np.int64), rows - 1)
    of = np.full(len(x), -1, np.int64)
    of[inside] = row * columns + column
    example = np.full(rows * columns, -1, np.int64)
    example[of[inside]] = np.flatnonzero(inside)
    return Cells(
        left + (np.arange(columns) + 0.5) * across,
        low + (np.arange(rows) + 0.5) * up,
        np.bincount(of[inside], minlength=rows * columns).reshape(rows, columns),
        example.reshape(rows, columns),
        of,
    )
