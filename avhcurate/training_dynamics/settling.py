"""When a curve over the epochs has settled, and how much of its way it still has before it."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

#: The curves that settle, and whether they fall while a network learns.
FALLS = {"avh": True, "accuracy": False, "loss": True}
#: Share of its way after which a curve counts as settled.
SETTLED = 0.95

#: Share of the evaluations over whose mean the end of a curve is taken, and the least number of them.
_END_SHARE, _LEAST_AT_END = 0.2, 3


class Way(NamedTuple):
    """A curve's way, turned so that it falls: the falling values (m,) nearest to it at `epochs` (m,), and its `end`."""

    epochs: np.ndarray
    fitted: np.ndarray
    end: float

    def settled(self) -> float:
        """The epoch by which 95 % of the way is made; between two evaluations it is a straight line."""
        target = self.fitted[0] - SETTLED * (self.fitted[0] - self.end)
        after = int(np.argmax(self.fitted <= target))
        step = (self.fitted[after - 1] - target) / (self.fitted[after - 1] - self.fitted[after])
        return float(self.epochs[after - 1] + step * (self.epochs[after] - self.epochs[after - 1]))

    def left(self, epoch: float) -> float:
        """Share of the way that is still to come at an epoch."""
        return float((np.interp(epoch, self.epochs, self.fitted) - self.end) / (self.fitted[0] - self.end))


def way(epochs: np.ndarray, values: np.ndarray, *, falls: bool) -> Way | None:
    """The way down (or up) of a curve at `epochs` (T,); None where it makes none.

    It ends at the mean over the last fifth of the evaluations (three at least). A curve that turns, as a loss does that
    rises again, is read to its lowest fifth: it turns when its last fifth lies higher by more than 5 % of the way. Up
    to there it is replaced by the falling curve nearest to it (isotonic regression), so that a single lucky evaluation
    settles nothing.
    """
    finite = np.isfinite(values)
    epochs, values = np.asarray(epochs, float)[finite], np.where(falls, values, -values)[finite]
    width = max(_LEAST_AT_END, round(_END_SHARE * len(values)))
    if len(values) < 2 * width:
        return None
    means = np.convolve(values, np.full(width, 1 / width), "valid")
    lowest = int(np.argmin(means))
    turns = means[-1] - means[lowest] > (1 - SETTLED) * (values[0] - means[lowest])
    last = lowest if turns else len(means) - 1
    fitted = isotonic_regression(values[: last + width], increasing=False).x
    found = Way(epochs[: last + width], fitted, float(means[last]))
    return found if found.end < fitted[0] else None


def settled(epochs: np.ndarray, values: np.ndarray, *, falls: bool) -> float:
    """The epoch by which a curve has made 95 % of its `way` down (or up); NaN where it makes none.

    >>> round(settled(np.array([0, 1, 2, 3, 4, 5]), np.array([1, 0.2, 0.1, 0, 0, 0]), falls=True), 6)
    2.5
    """
    found = way(epochs, values, falls=falls)
    return float("nan") if found is None else found.settled()
