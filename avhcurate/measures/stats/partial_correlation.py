"""What one score adds to another: partial and semipartial Spearman correlations, with intervals from influences."""

from typing import NamedTuple

import numpy as np

from avhcurate.measures.stats.correlation import FEW
from avhcurate.measures.stats.rank_influence import NO_ESTIMATE, Estimate, estimate, fisher_estimate, spearman_influence


class Partial(NamedTuple):
    """Correlation of x and y when z is taken out of both (`partial`) or of x only (`semipartial`)."""

    partial: Estimate
    semipartial: Estimate


def partial_spearman(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Partial:
    """Return the partial and semipartial Spearman of x and y given z, (n,) each without NaN.

    Of ranks, by Kendall's and Stuart's formula of three correlations; the interval of the partial one is symmetric on
    the scale of Fisher's z. NaN below 10 samples, for constants, and where x or y ranks the samples as z does.

    >>> x, y = np.arange(10.0), np.array([1.0, 3, 2, 5, 4, 6, 8, 7, 9, 10])
    >>> found = partial_spearman(x, y, np.array([2.0, 1, 3, 4, 5, 7, 6, 8, 9, 10]))
    >>> round(found.partial.value, 3), round(found.semipartial.value, 3)
    (0.801, 0.323)
    """
    if len(x) < FEW:
        return Partial(NO_ESTIMATE, NO_ESTIMATE)
    xy, d_xy = spearman_influence(x, y)
    xz, d_xz = spearman_influence(x, z)
    yz, d_yz = spearman_influence(y, z)
    left_x = 1 - xz * xz
    left_y = 1 - yz * yz
    if not (left_x > 1e-9 and left_y > 1e-9):
        return Partial(NO_ESTIMATE, NO_ESTIMATE)
    d_shared = d_xy - yz * d_xz - xz * d_yz
    part = (xy - xz * yz) / np.sqrt(left_x)
    whole = (xy - xz * yz) / np.sqrt(left_x * left_y)
    d_part = d_shared / np.sqrt(left_x) + part * xz * d_xz / left_x
    d_whole = d_shared / np.sqrt(left_x * left_y) + whole * (xz * d_xz / left_x + yz * d_yz / left_y)
    return Partial(partial=fisher_estimate(float(whole), d_whole), semipartial=estimate(float(part), d_part))
