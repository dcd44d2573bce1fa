"""How points are drawn: in which order, which lie on top, and the shade of each."""

import numpy as np


def mixed(groups: np.ndarray, *, on_top: str = "") -> np.ndarray:
    """Positions of points (n,) of `groups` from -1 in the order in which they are drawn: mixed, so that no group covers
    another, or with the "first" or the "last" group on top; those of no group, -1, at the bottom.

    >>> groups = np.array([1, -1, 0, 1, 0])
    >>> groups[mixed(groups, on_top="last")].tolist(), groups[mixed(groups, on_top="first")].tolist()
    ([-1, 0, 0, 1, 1], [-1, 1, 1, 0, 0])
    """
    order = np.random.default_rng(0).permutation(len(groups))
    rank = {"first": -groups, "last": groups}.get(on_top, np.zeros_like(groups))
    rank = np.where(groups < 0, np.iinfo(np.int32).min, rank)
    return order[np.argsort(rank[order], kind="stable")]


def by_hardness(values: np.ndarray, *, harder: str) -> np.ndarray:
    """Positions of points by their values (n,): missing ones first, the hardest last; `harder` is "high" or "low".

    >>> by_hardness(np.array([0.5, np.nan, 0.1]), harder="low").tolist()
    [1, 0, 2]
    """
    rank = np.where(np.isfinite(values), -values if harder == "low" else values, -np.inf)
    return np.argsort(rank, kind="stable")


def steps(values: np.ndarray, low: float, high: float, *, count: int) -> np.ndarray:
    """Which of `count` equal steps from `low` to `high` each value (n,) lies in, as a byte; `count` for a missing one.

    >>> steps(np.array([-1.0, 0.0, 0.5, 1.0, np.nan]), 0, 1, count=4).tolist()
    [0, 0, 2, 3, 4]
    """
    known = np.isfinite(values)
    share = (np.where(known, values, low) - low) / (high - low)
    return np.where(known, np.clip(share * count, 0, count - 1), count).astype(np.uint8)
