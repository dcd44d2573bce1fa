"""Too many points for a chart: draw some of every group, or of every cell."""

import numpy as np

from avhcurate.errors import CurateError, Option


def downsample(groups: np.ndarray, *, most: int, even: bool = False) -> np.ndarray:
    """Return positions of `most` elements of `groups` (n,), whole numbers from -1, ascending; all where they are few.

    Every group gets its share, and a small one at least a quarter of an equal share, or all of it. `even`: each group
    keeps up to the same number, so rare groups stay whole.

    >>> groups = np.array([0] * 96 + [1] * 4)
    >>> [np.bincount(groups[downsample(groups, most=20, even=even)]).tolist() for even in (False, True)]
    [[18, 2], [16, 4]]
    """
    if len(groups) <= most:
        return np.arange(len(groups))
    codes = groups.astype(np.int64) + 1
    counts = np.bincount(codes)
    shuffled = np.random.default_rng(0).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    ranks = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each in its group
    if not even:
        least = np.minimum(counts, most // (4 * int((counts > 0).sum())))
        share = (ranks - np.repeat(least, counts) + 1) / np.repeat(np.maximum(counts - least, 1), counts)
        ranks = np.maximum(share, 0)
    return np.sort(order[np.argsort(ranks, kind="stable")[:most]])


def evenly_spread(n: int, limit: int | None) -> np.ndarray:
    """Return `limit` of the numbers 0 to n-1, ascending and evenly spread; all of them without a limit.

    >>> evenly_spread(10, 4).tolist()
    [0, 2, 5, 7]
    """
    if limit is None or limit >= n:
        return np.arange(n)
    if limit < 1:
        raise CurateError(f"{Option('limit')} must be 1 or more; it was {limit}.")
    return np.arange(limit) * n // limit


def cells_of(
    x: np.ndarray, y: np.ndarray, window: tuple[float, float, float, float], *, columns: int, rows: int
) -> np.ndarray:
    """Return the cell of each point (n,) in a window (left, right, low, high), -1 outside.

    >>> cells_of(np.array([0.0, 1.0, 9.0]), np.array([0.0, 1.0, 0.0]), (0, 1, 0, 1), columns=2, rows=2).tolist()
    [0, 3, -1]
    """
    left, right, low, high = window
    column = np.digitize(x, np.linspace(left, right, columns + 1)[1:-1])
    row = np.digitize(y, np.linspace(low, high, rows + 1)[1:-1])
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    return np.where(inside, row * columns + column, -1)
