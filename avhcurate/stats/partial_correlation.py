"""What one score adds to another: partial and semipartial Spearman correlations, with intervals from influences."""

from typing import NamedTuple

import numpy as np

from avhcurate.stats.correlation import FEW
from avhcurate.stats.rank_influence import Estimate, estimate, spearman_influence

_NAN = float("nan")
_NO = Estimate(*[_NAN] * 5)


class Partial(NamedTuple):
    """Correlation of x and y over n samples when z is taken out of both (`partial`) or of x alone (`semipartial`)."""

    n: int
    partial: Estimate
    semipartial: Estimate


def partial_spearman(x: np.ndarray, y: np.ndarray, z: np.ndarray, *, groups: np.ndarray | None = None) -> Partial:
    """Partial and semipartial Spearman of x and y given z, (n,) each without NaN; of `groups` see `estimate`.

    Of ranks, as Kendall's and Stuart's formula of three correlations; the interval of the partial one is symmetric on
    the scale of Fisher's z. NaN below 10 samples, for constants, and where x or y ranks the samples as z does.

    >>> x, y = np.arange(10.0), np.array([1.0, 3, 2, 5, 4, 6, 8, 7, 9, 10])
    >>> found = partial_spearman(x, y, np.array([2.0, 1, 3, 4, 5, 7, 6, 8, 9, 10]))
    >>> round(found.partial.value, 3), round(found.semipartial.value, 3)
    (0.801, 0.323)
    """
    n = len(x)
    (xy, d_xy), (xz, d_xz), (yz, d_yz) = (spearman_influence(*pair) for pair in ((x, y), (x, z), (y, z)))
    left_x, left_y = 1 - xz * xz, 1 - yz * yz
    if n < FEW or not (left_x > 1e-9 and left_y > 1e-9):
        return Partial(n, _NO, _NO)
    d_shared = d_xy - yz * d_xz - xz * d_yz
    whole, part = ((xy - xz * yz) / np.sqrt(spread) for spread in (left_x * left_y, left_x))
    d_part = d_shared / np.sqrt(left_x) + part * xz * d_xz / left_x
    d_whole = d_shared / np.sqrt(left_x * left_y) + whole * (xz * d_xz / left_x + yz * d_yz / left_y)
    return Partial(n, _on_fisher_scale(float(whole), d_whole, groups), estimate(float(part), d_part, groups=groups))


def _on_fisher_scale(rho: float, influence: np.ndarray, groups: np.ndarray | None) -> Estimate:
    """A correlation whose interval is symmetric on the scale of Fisher's z."""
    if not abs(rho) < 1 - 1e-12:
        return _NO._replace(value=rho)
    z = estimate(float(np.arctanh(rho)), influence / (1 - rho * rho), groups=groups)
    return Estimate(rho, z.error * (1 - rho * rho), float(np.tanh(z.low)), float(np.tanh(z.high)), z.p_value)
