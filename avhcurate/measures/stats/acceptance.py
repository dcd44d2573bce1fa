"""How many labels are wrong, told from looks at some of them drawn by chance, whenever one stops looking.

A lot of `size` labels has an unknown number of wrong ones. After `looks` at some of them, drawn without replacement,
that number is in the interval if the looks found are not `alpha` times rarer under it than under a mixture of all
numbers, a beta-binomial one that expects few wrong: a ratio of two chances, which is a martingale for the true number.
By Ville's inequality the interval therefore holds after every look at once, so that one may peek after each and stop
when it pleases (prior-posterior-ratio sequence, Waudby-Smith and Ramdas, Confidence sequences for sampling without
replacement, NeurIPS 2020). Both chances have closed forms, so nothing is approximated. Deciding about a lot by looks at
a part of it is acceptance sampling (Dodge and Romig, Sampling inspection tables, 1944); that an audit may stop at any
look is what risk-limiting audits of elections do (Stark, Annals of Applied Statistics 2, 2008).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# SciPy is imported where it is used: every export asks for a certificate, and few datasets have one.

#: Looks after which a plan no longer says how many are to be expected.
MOST_LOOKS = 5_000


def bounds(
    wrong: ArrayLike, looks: ArrayLike, size: ArrayLike, *, at_most: float, alpha: float | np.ndarray = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fewest and the most wrong labels that a lot may have, int64, at all moments at once but for `alpha`.

    `wrong` of `looks` at a lot of `size` labels found a wrong one. The mixture expects half of `at_most`, the share
    that one wants to fall below: near it the interval is narrowest, and it holds for any other.

    >>> [int(end) for end in bounds(0, 202, 20_000, at_most=0.02)]
    [0, 399]
    >>> [int(end) for end in bounds(3, 635, 635, at_most=0.02)]
    [3, 3]
    """
    k, n, size = np.broadcast_arrays(*(np.asarray(values, np.int64) for values in (wrong, looks, size)))
    least = np.log(alpha) + _log_mixture(k, n, at_most)
    likeliest = np.minimum(k * (size + 1) // np.maximum(n, 1), size - (n - k))
    most = _last(k, n, size, least, inside=likeliest, outside=size - (n - k) + 1)
    fewest = _last(k, n, size, least, inside=likeliest, outside=k - 1)
    return np.where(n == 0, 0, fewest), np.where(n == 0, size, most)


def _last(
    k: np.ndarray, n: np.ndarray, size: np.ndarray, least: np.ndarray, *, inside: np.ndarray, outside: np.ndarray
) -> np.ndarray:
    """Return the last number from one that is inside the interval to one that is outside, by halving: the chance of the
    looks only falls on the way.
    """
    while (apart := np.abs(outside - inside) > 1).any():
        middle = (inside + outside) // 2
        holds = _log_chance(k, n, size, middle) > least
        inside = np.where(apart & holds, middle, inside)
        outside = np.where(apart & ~holds, middle, outside)
    return inside


def _log_chance(k: ArrayLike, n: ArrayLike, size: ArrayLike, number: ArrayLike) -> np.ndarray:
    """Return the logarithm of the hypergeometric chance of k wrong in n looks at a lot with a number of wrong ones."""
    return _log_ways(number, k) + _log_ways(np.subtract(size, number), np.subtract(n, k)) - _log_ways(size, n)


def _log_mixture(k: ArrayLike, n: ArrayLike, at_most: float) -> np.ndarray:
    """Return the logarithm of the same chance where the share of wrong ones is Beta(1, 2 / at_most)."""
    from scipy.special import betaln

    rest = np.subtract(n, k)
    b = 2 / at_most
    return _log_ways(n, k) + betaln(np.add(k, 1), rest + b) + math.log(b)


def _log_ways(n: ArrayLike, k: ArrayLike) -> np.ndarray:
    from scipy.special import gammaln

    n, k = np.asarray(n, float), np.asarray(k, float)
    possible = (k >= 0) & (k <= n)
    n, k = np.where(possible, n, 0.0), np.where(possible, k, 0.0)
    return np.where(possible, gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), -np.inf)


def looks_expected(
    size: int, allowed: int, shares: Sequence[float], *, at_most: float, alpha: float = 0.05
) -> list[int | None]:
    """Return after how many looks at a lot half of all reviews have shown that at most `allowed` labels are wrong.

    For each of the `shares` of wrong labels that the lot may have; None where it is more than `MOST_LOOKS` looks. The
    chances of every review are followed look by look.

    >>> looks_expected(20_000, 400, [0.0, 0.005, 0.03], at_most=0.02)
    [202, 324, None]
    """

    return [_median_looks(size, allowed, round(share * size), at_most, alpha) for share in shares]


def _median_looks(size: int, allowed: int, number: int, at_most: float, alpha: float) -> int | None:
    if allowed >= size:
        return 0
    if number > allowed:
        return None
    chances = np.ones(1)  # of having found 0, 1, ... wrong ones and not being done
    for n in range(1, min(size, MOST_LOOKS) + 1):
        k = np.arange(len(chances))
        next_wrong = chances * np.clip((number - k) / (size - n + 1), 0, 1)
        chances = np.append(chances - next_wrong, 0.0) + np.append(0.0, next_wrong)
        k = np.arange(len(chances))
        done = _log_chance(k, n, size, allowed + 1) <= math.log(alpha) + _log_mixture(k, n, at_most)
        chances[done & (k * size <= allowed * n)] = 0.0
        if chances.sum() <= 0.5:
            return n
    return None


def most_errors(errors: int, pairs: int, *, alpha: float = 0.05) -> float:
    """Return the largest share of errors that is likely after some in so many pairs (Clopper and Pearson 1934).

    >>> round(most_errors(0, 50), 3)
    0.058
    """
    from scipy.special import betaincinv

    if errors >= pairs:
        return 1.0
    return float(betaincinv(errors + 1, pairs - errors, 1 - alpha))
