"""What to draw of more points than a chart can bear: a fair sample of them, or how many lie in each cell."""

from dataclasses import dataclass

import numpy as np


def fair_sample(groups: np.ndarray, *, most: int, seed: int = 0) -> np.ndarray:
    """Positions of `most` elements of `groups` (n,) of small whole numbers from -1, ascending; all where they are few.

    Every group gets its share, and a small one at least a quarter of an equal share, or all that it has.

    >>> groups = np.array([0] * 96 + [1] * 4)
    >>> np.bincount(groups[fair_sample(groups, most=20)]).tolist()
    [18, 2]
    """
    if len(groups) <= most:
        return np.arange(len(groups))
    codes = groups.astype(np.int64) + 1
    counts = np.bincount(codes)
    quota = _quotas(counts, most)
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    place = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each in its group
    return np.sort(order[place < np.repeat(quota, counts)])


def _quotas(counts: np.ndarray, most: int) -> np.ndarray:
    """How many of each group, `most` together: the least a group gets, and of the rest its share."""
    least = np.minimum(counts, most // (4 * max(1, int((counts > 0).sum()))))
    room, left = counts - least, most - int(least.sum())
    share = left * room / room.sum()
    more = np.floor(share).astype(np.int64)
    first = np.argsort(more - share, kind="stable")[: left - int(more.sum())]
    more[first] += 1
    return least + more


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
