"""How each sample moves a Spearman correlation, and from that the uncertainty of anything made of such correlations.

The influence of a sample is the derivative of the correlation by its weight, ranks of the other samples included: the
infinitesimal jackknife (Jaeckel 1972; Efron 1982). Its sum over squares is the variance of the correlation, without a
model of the data, ties included; influences of two correlations on the same samples carry their dependence.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from avhcurate.measures.stats.correlation import FEW
from avhcurate.measures.stats.ranks import dot

_NAN = float("nan")


class Estimate(NamedTuple):
    """A value with its standard error, a 95 % interval and the two-sided p that it is 0."""

    value: float
    error: float
    low: float
    high: float
    p_value: float


NO_ESTIMATE = Estimate(_NAN, _NAN, _NAN, _NAN, _NAN)


def spearman_influence(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """Return Spearman of x and y, (n,) each without NaN, and the influence (n,) of each sample on it, which has mean 0.

    With weights (n,), above 0, a sample counts so many times. NaN where either is constant, and below 3 samples.

    >>> rho, influence = spearman_influence(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4]))
    >>> round(rho, 3), influence.round(3).tolist()
    (0.8, [0.6, -0.6, -0.6, 0.6])
    """
    n = len(x)
    if n < 3:
        return _NAN, np.full(n, np.nan)
    w = np.ones(n)
    if weights is not None:
        w = weights * (n / weights.sum())
    in_x, in_y = (np.unique(column, return_inverse=True)[1] for column in (x, y))
    f = 0.5 - _above(w, in_x)
    g = 0.5 - _above(w, in_y)
    squares_f = dot(w, f * f) / n
    squares_g = dot(w, g * g) / n
    if min(squares_f, squares_g) < 1e-15:
        return _NAN, np.full(n, np.nan)
    both = dot(w, f * g) / n
    # Besides its own product, a sample moves the ranks of all samples above it.
    moved = f * g + _above(w * g, in_x) + _above(w * f, in_y) - 3 * both
    moved_f = f * f + 2 * _above(w * f, in_x) - 3 * squares_f
    moved_g = g * g + 2 * _above(w * g, in_y) - 3 * squares_g
    length = np.sqrt(squares_f * squares_g)
    rho = both / length
    influence = moved / length - rho / 2 * (moved_f / squares_f + moved_g / squares_g)
    return float(np.clip(rho, -1, 1)), w * influence


def estimate(value: float, influence: np.ndarray) -> Estimate:
    """Return a value with the uncertainty from the influences (n,) of the samples, by Student's t with n - 1 degrees.

    Where nothing moves the value, as at a correlation of 1, p is NaN.

    >>> [round(number, 3) for number in estimate(1.0, np.array([1.0, -1.0, 1.0, -1.0]))]
    [1.0, 0.5, -0.591, 2.591, 0.139]
    """
    n = len(influence)
    error = float(np.sqrt(dot(influence, influence))) / n
    degrees = max(1, n - 1)
    reach = float(stdtrit(degrees, 0.975)) * error
    p_value = _NAN
    if error > 1e-12:
        p_value = float(2 * stdtr(degrees, -abs(value) / error))
    elif value == 0:
        p_value = 1.0
    return Estimate(value=value, error=error, low=value - reach, high=value + reach, p_value=p_value)


def fisher_estimate(rho: float, influence: np.ndarray) -> Estimate:
    """Return a correlation with an interval that is symmetric on the scale of Fisher's z; NaN at -1 and 1.

    >>> round(fisher_estimate(0.5, np.array([1.0, -1.0] * 8)).low, 3)
    -0.16
    """
    if not abs(rho) < 1 - 1e-12:
        return NO_ESTIMATE._replace(value=rho)
    z = estimate(float(np.arctanh(rho)), influence / (1 - rho * rho))
    return z._replace(
        value=rho, error=z.error * (1 - rho * rho), low=float(np.tanh(z.low)), high=float(np.tanh(z.high))
    )


def partial_spearman(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Estimate:
    """Return the partial Spearman of x and y given z, (n,) each without NaN: when z is taken out of both.

    Of ranks, by Kendall's and Stuart's formula of three correlations; the interval is symmetric on the scale of
    Fisher's z. NaN below 10 samples, for constants, and where x or y ranks the samples as z does.

    >>> x, y = np.arange(10.0), np.array([1.0, 3, 2, 5, 4, 6, 8, 7, 9, 10])
    >>> round(partial_spearman(x, y, np.array([2.0, 1, 3, 4, 5, 7, 6, 8, 9, 10])).value, 3)
    0.801
    """
    if len(x) < FEW:
        return NO_ESTIMATE
    xy, d_xy = spearman_influence(x, y)
    xz, d_xz = spearman_influence(x, z)
    yz, d_yz = spearman_influence(y, z)
    left_x = 1 - xz * xz
    left_y = 1 - yz * yz
    if not (left_x > 1e-9 and left_y > 1e-9):
        return NO_ESTIMATE
    length = np.sqrt(left_x * left_y)
    rho = (xy - xz * yz) / length
    d_shared = d_xy - yz * d_xz - xz * d_yz
    influence = d_shared / length + rho * (xz * d_xz / left_x + yz * d_yz / left_y)
    return fisher_estimate(float(rho), influence)


def semipartial_spearman(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> Estimate:
    """Return the semipartial Spearman of x and y, (n,) each, beyond `held` (m, n): when these are taken out of x alone.

    The correlation of the ranks of y with what a regression on the ranks of `held` leaves of the ranks of x: its square
    is the share of the variance of y's ranks that x explains and `held` does not (Cohen, Cohen, West and Aiken: Applied
    Multiple Regression/Correlation Analysis, 2003). No value is NaN. The interval is symmetric on the scale of Fisher's
    z. NaN below 10 + m samples, for constants, and where `held` ranks the samples as x does.

    >>> x, y = np.arange(11.0), np.array([1.0, 3, 2, 5, 4, 6, 8, 7, 9, 10, 11])
    >>> round(semipartial_spearman(x, y, np.array([[2.0, 1, 3, 4, 5, 7, 6, 8, 9, 11, 10]])).value, 3)
    0.305
    """
    m, n = held.shape
    if n < FEW + m:
        return NO_ESTIMATE
    columns = [*held, x, y]
    rho = np.eye(m + 2)
    moved = np.zeros((m + 2, m + 2, n))
    for first, second in itertools.combinations(range(m + 2), 2):
        found = spearman_influence(columns[first], columns[second])
        for cell in ((first, second), (second, first)):
            rho[cell], moved[cell] = found
    if np.isnan(rho).any():
        return NO_ESTIMATE
    # Those of `held` that rank the samples alike share their weight.
    to_x, to_y = rho[[m, m + 1], :m] @ np.linalg.pinv(rho[:m, :m], rtol=1e-9, hermitian=True)
    left = 1 - float(to_x @ rho[m, :m])
    if left < 1e-9:
        return NO_ESTIMATE
    value = float((rho[m, m + 1] - to_x @ rho[m + 1, :m]) / np.sqrt(left))
    # The derivative of the formula by each of its correlations.
    both = np.einsum("i,ijn->jn", to_x, moved[:m, :m])
    shared = moved[m, m + 1] - to_y @ moved[m, :m] - to_x @ moved[m + 1, :m] + to_y @ both
    own = to_x @ both - 2 * to_x @ moved[m, :m]
    return fisher_estimate(value, shared / np.sqrt(left) - value * own / (2 * left))


def _above(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return for each sample the mean over all of `values` where its code (n,) is lower than theirs, ties half."""
    sums = np.bincount(codes, values)
    return ((np.cumsum(sums[::-1])[::-1] - sums / 2) / len(values))[codes]
