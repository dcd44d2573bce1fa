"""The best of candidates in a row, of which only those near the best are tried."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def climb(candidates: Sequence[T], start: int, value: Callable[[T], float]) -> tuple[T, float]:
    """Return the first candidate, going up from the place `start`, whose neighbours have no greater value; and its own.

    >>> climb([1, 2, 4, 8, 16], 1, lambda number: -abs(number - 7))
    (8, -1)
    """
    values: dict[int, float] = {}
    position = start
    while True:
        near = [other for other in (position, position + 1, position - 1) if 0 <= other < len(candidates)]
        values |= {other: value(candidates[other]) for other in near if other not in values}
        best = max(near, key=lambda other: values[other])
        if best == position:
            return candidates[position], values[position]
        position = best
