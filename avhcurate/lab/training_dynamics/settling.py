"""When a curve over the epochs has settled, and how much of its way it still has before it."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

#: The curves that settle, and whether they fall while a network learns.
FALLS = {"avh": True, "accuracy": False, "loss": True}
#: Share of its way after which a curve counts as settled.
SETTLED = 0.95

#: Share of the evaluations whose mean is the end of a curve, and the least number of them.
_END_SHARE = 0.2
_LEAST_AT_END = 3


class Way(NamedTuple):
    """A curve's way, turned so that it falls: the falling values (m,) nearest to it at `epochs` (m,), and its `end`."""

    epochs: np.ndarray
    fitted: np.ndarray
    end: float

    def settled(self) -> float:
        """Return the epoch by which 95 % of the way is made, on a straight line between two evaluations."""
        target = self.fitted[0] - SETTLED * (self.fitted[0] - self.end)
        after = int(np.argmax(self.fitted <= target))
        return float(np.interp(-target, -self.fitted[after - 1 : after + 1], self.epochs[after - 1 : after + 1]))

    def left(self, epoch: float) -> float:
        """Return the share of the way that is left at an epoch."""
        return float((np.interp(epoch, self.epochs, self.fitted) - self.end) / (self.fitted[0] - self.end))


def way(epochs: np.ndarray, values: np.ndarray, *, falls: bool) -> Way | None:
    """Return the way down (or up) of a curve at `epochs` (T,); None where it makes none.

    It ends at the mean over the last fifth of the evaluations (three at least). A curve that turns, like a loss that
    rises again, is read to its lowest fifth: it turns when its last fifth is higher by more than 5 % of the way. The
    curve is replaced by the falling curve nearest to it (isotonic regression), so a single lucky evaluation does not
    count.
    """
    finite = np.isfinite(values)
    epochs = np.asarray(epochs, float)[finite]
    values = np.where(falls, values, -values)[finite]
    width = max(_LEAST_AT_END, round(_END_SHARE * len(values)))
    if len(values) < 2 * width:
        return None
    means = np.convolve(values, np.full(width, 1 / width), "valid")
    last = len(means) - 1
    lowest = int(np.argmin(means))
    if means[-1] - means[lowest] > (1 - SETTLED) * (values[0] - means[lowest]):
        last = lowest
    fitted = isotonic_regression(values[: last + width], increasing=False).x
    if means[last] >= fitted[0]:
        return None
    return Way(epochs[: last + width], fitted, float(means[last]))
