"""Which of two scores follows human judgement more closely: tests for two correlations on the same samples.

Both correlations share HSF and the samples, so they are dependent and the usual test for independent ones is wrong.
Meng, Rosenthal and Rubin (1992) compare their Fisher z; Steiger (1980) checks it. These were made for Pearson; in
simulations with Spearman and ties as in HSF they stay near their nominal level and agree with a paired bootstrap (see
the tests).

Signs. AVH falls as HSF rises while confidence rises. So each score is first turned, by its known direction and never by
its data, until a larger value means an easier sample: a correlation is then positive when the score agrees with people,
and a score that says the opposite counts as worse than one that says nothing.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from avhcurate.errors import CurateError
from avhcurate.stats.correlation import check_samples, numbers
from avhcurate.stats.ranks import spearman, standard_ranks

#: Factor that turns a score until larger means easier, as with HSF, by the end that means a harder sample.
_SIGNS = {"high": -1, "low": 1}


class Comparison(NamedTuple):
    """The Meng-Rosenthal-Rubin test of two correlations with one variable, with Steiger's beside it.

    between: correlation of the two scores. difference: atanh(first) - atanh(second), with the ends of its 95 %
    interval. z, p_value: two-sided test that the correlations are equal; steiger_z, steiger_p_value: Steiger's (1980)
    test with pooled correlations. NaN where n is below 4 or a correlation is NaN, -1 or 1.
    """

    n: int
    first_agreement: float
    second_agreement: float
    between: float
    difference: float
    ci_low: float
    ci_high: float
    z: float
    p_value: float
    steiger_z: float
    steiger_p_value: float

    def swapped(self) -> "Comparison":
        """The comparison of the second with the first."""
        n, first, second, between, difference, low, high, z, p, steiger_z, steiger_p = self
        return Comparison(n, second, first, between, -difference, -high, -low, -z, p, -steiger_z, steiger_p)


def meng_rosenthal_rubin(first: float, second: float, between: float, n: int) -> Comparison:
    """Compares the correlations of two variables with a third: first and second; between is that of the two.

    X. Meng, R. Rosenthal, D. B. Rubin: Comparing correlated correlation coefficients. Psychological Bulletin 111 (1992)
    172-175, equations 1 to 3. J. H. Steiger, Psychological Bulletin 87 (1980) 245-251, equation 14. Raises CurateError
    for three correlations that cannot occur together.

    >>> c = meng_rosenthal_rubin(0.8066, 0.2383, 0.2255, 177)
    >>> round(c.z, 2), round(c.ci_low, 2), round(c.ci_high, 2), round(c.steiger_z, 2)
    (8.39, 0.67, 1.08, 8.55)
    """
    if n < 4 or not (abs(first) < 1 and abs(second) < 1 and abs(between) <= 1):
        return Comparison(n, first, second, between, *[float("nan")] * 7)
    # The determinant of the 3 x 3 correlation matrix is not negative.
    if 1 + 2 * first * second * between - first**2 - second**2 - between**2 < -1e-9:
        raise CurateError(f"correlations of {first:g}, {second:g} and {between:g} cannot occur together: check them")
    difference = float(np.arctanh(first) - np.arctanh(second))
    error = _meng_error(first, second, between, n)
    reach = float(ndtri(0.975)) * error
    z, steiger_z = (_ratio(difference, se) for se in (error, _steiger_error(first, second, between, n)))
    ends = difference - reach, difference + reach
    tests = z, _two_sided(z), steiger_z, _two_sided(steiger_z)
    return Comparison(n, first, second, between, difference, *ends, *tests)


def compare(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    *,
    harder: Mapping[str, Literal["high", "low"]],
    ids: ArrayLike | None = None,
) -> pd.DataFrame:
    """Tests every pair of scores for their agreement with HSF, each on the samples with all three values.

    scores and hsf (N,), NaN for none; harder names the end of each score that means a harder sample. One row a pair:
    `first, second` and the fields of a `Comparison`; the agreements are Spearman after turning the scores as said
    above, and a positive difference means that the first agrees more closely with people. p-values are not corrected
    for the number of pairs.

    >>> scores = {"avh": [3, 2, 1, 4, 5, 6], "confidence": [4, 5, 6, 2, 1, 3]}
    >>> table = compare(scores, [3, 5, 4, 2, 1, 0], harder={"avh": "high", "confidence": "low"})
    >>> table[["first_agreement", "second_agreement", "between"]].round(2).values.tolist()
    [[0.94, 0.77, 0.83]]
    """
    columns = {name: numbers(values) for name, values in scores.items()}
    votes = numbers(hsf)
    check_samples(columns, votes, ids)
    signs = {name: _SIGNS[harder[name]] for name in columns}
    present = {name: ~(np.isnan(values) | np.isnan(votes)) for name, values in columns.items()}
    ranked: dict[tuple[str, bytes], np.ndarray | None] = {}

    def ranks(name: str, rows: np.ndarray) -> np.ndarray | None:
        """Standard ranks of a score (or of HSF, "") on these rows, kept for the next pair on the same rows."""
        key = name, np.packbits(rows).tobytes()
        if key not in ranked:
            ranked[key] = standard_ranks((columns[name] if name else votes)[rows])
        return ranked[key]

    table = []
    for first, second in combinations(columns, 2):
        rows = present[first] & present[second]
        x, y, human = ranks(first, rows), ranks(second, rows), ranks("", rows)
        comparison = meng_rosenthal_rubin(
            signs[first] * spearman(x, human),
            signs[second] * spearman(y, human),
            signs[first] * signs[second] * spearman(x, y),
            int(rows.sum()),
        )
        table.append((first, second, *comparison))
    return pd.DataFrame(table, columns=["first", "second", *Comparison._fields])


def _meng_error(first: float, second: float, between: float, n: int) -> float:
    mean_square = (first**2 + second**2) / 2
    f = min(1.0, (1 - between) / (2 * (1 - mean_square)))
    h = (1 - f * mean_square) / (1 - mean_square)
    return float(np.sqrt(max(0.0, 2 * (1 - between) * h / (n - 3))))


def _steiger_error(first: float, second: float, between: float, n: int) -> float:
    square = ((first + second) / 2) ** 2
    covariance = between * (1 - 2 * square) - square * (1 - 2 * square - between**2) / 2
    return float(np.sqrt(max(0.0, 2 * (1 - covariance / (1 - square) ** 2) / (n - 3))))


def _ratio(difference: float, error: float) -> float:
    """Test statistic; two scores with the same ranks (AVH and relative AVH) do not differ at all: 0."""
    return difference / error if error > 1e-9 else 0.0


def _two_sided(z: float) -> float:
    return float(2 * ndtr(-abs(z)))
