"""Which of two scores follows human judgement more closely: tests for two correlations on the same samples.

Both correlations share HSF and the samples, so they are dependent and the usual test for independent ones is wrong.
Meng, Rosenthal and Rubin (1992) compare their Fisher z; Steiger (1980) checks it. These were made for Pearson; for
Spearman, and ties as in HSF, they simulate near their nominal level and agree with a paired bootstrap (see the tests).

Signs. AVH falls as HSF rises while confidence rises. So each score is first turned, by its known direction and never by
its data, until a larger value means an easier sample: a correlation is then positive when the score says what people
say, and a score that says the opposite counts as worse than one that says nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from avhcurate.errors import CurateError
from avhcurate.stats.correlation import check_interval, check_samples, numbers
from avhcurate.stats.ranks import spearman, standard_ranks

Harder = Literal["high", "low"]


@dataclass(frozen=True)
class Comparison:
    """The Meng-Rosenthal-Rubin test of two correlations with one variable, with Steiger's beside it.

    difference: atanh(first) - atanh(second), with its standard error and interval low to high.
    z, p_value: two-sided test that the correlations are equal; steiger_z, steiger_p_value: Steiger's (1980) test with
    pooled correlations. NaN where n is below 4 or a correlation is NaN, -1 or 1.
    """

    first: float
    second: float
    between: float
    n: int
    difference: float
    standard_error: float
    low: float
    high: float
    z: float
    p_value: float
    steiger_z: float
    steiger_p_value: float


def meng_rosenthal_rubin(first: float, second: float, between: float, n: int, *, level: float = 0.95) -> Comparison:
    """Compares the correlations of two variables with a third: first and second; between is that of the two.

    X. Meng, R. Rosenthal, D. B. Rubin: Comparing correlated correlation coefficients. Psychological Bulletin 111 (1992)
    172-175, equations 1 to 3. J. H. Steiger, Psychological Bulletin 87 (1980) 245-251, equation 14. Raises CurateError
    for three correlations that cannot occur together.

    >>> c = meng_rosenthal_rubin(0.8066, 0.2383, 0.2255, 177)
    >>> round(c.z, 2), round(c.low, 2), round(c.high, 2), round(c.steiger_z, 2)
    (8.39, 0.67, 1.08, 8.55)
    """
    check_interval(level, 1000)
    if n < 4 or not (abs(first) < 1 and abs(second) < 1 and abs(between) <= 1):
        return Comparison(first, second, between, n, *[float("nan")] * 8)
    if _determinant(first, second, between) < -1e-9:
        raise CurateError(f"correlations of {first:g}, {second:g} and {between:g} cannot occur together: check them")
    difference = float(np.arctanh(first) - np.arctanh(second))
    error = _meng_error(first, second, between, n)
    reach = float(ndtri((1 + level) / 2)) * error
    z, steiger_z = (_ratio(difference, se) for se in (error, _steiger_error(first, second, between, n)))
    ends = difference - reach, difference + reach
    tests = z, _two_sided(z), steiger_z, _two_sided(steiger_z)
    return Comparison(first, second, between, n, difference, error, *ends, *tests)


def compare(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    *,
    harder: Mapping[str, Harder],
    pairs: Iterable[tuple[str, str]] | None = None,
    ids: ArrayLike | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Tests pairs of scores (all by default) for their agreement with HSF, each on the samples with all three values.

    scores and hsf (N,), NaN for none; harder says which end of each score means a harder sample. One row a pair:
    `first, second, n, first_agreement, second_agreement, between` (Spearman after turning the scores as said above),
    `difference` (of Fisher z; positive where the first agrees more closely with people), `ci_low, ci_high, z, p_value,
    steiger_z, steiger_p_value`. p-values are not corrected for the number of pairs.

    >>> scores = {"avh": [3, 2, 1, 4, 5, 6], "confidence": [4, 5, 6, 2, 1, 3]}
    >>> table = compare(scores, [3, 5, 4, 2, 1, 0], harder={"avh": "high", "confidence": "low"})
    >>> table[["first_agreement", "second_agreement", "between"]].round(2).values.tolist()
    [[0.94, 0.77, 0.83]]
    """
    columns = {name: numbers(values) for name, values in scores.items()}
    votes = numbers(hsf)
    check_samples(columns, votes, ids)
    chosen = list(combinations(columns, 2) if pairs is None else pairs)
    _check_names(chosen, columns, harder)
    signs = {name: _sign(direction) for name, direction in harder.items()}
    present = {name: ~(np.isnan(values) | np.isnan(votes)) for name, values in columns.items()}
    ranked: dict[tuple[str, bytes], np.ndarray | None] = {}

    def ranks(name: str, rows: np.ndarray) -> np.ndarray | None:
        """Standard ranks of a score (or of HSF, "") on these rows, kept for the next pair on the same rows."""
        key = name, np.packbits(rows).tobytes()
        if key not in ranked:
            ranked[key] = standard_ranks((columns[name] if name else votes)[rows])
        return ranked[key]

    table = []
    for first, second in chosen:
        rows = present[first] & present[second]
        x, y, human = ranks(first, rows), ranks(second, rows), ranks("", rows)
        result = meng_rosenthal_rubin(
            signs[first] * spearman(x, human),
            signs[second] * spearman(y, human),
            signs[first] * signs[second] * spearman(x, y),
            int(rows.sum()),
            level=level,
        )
        row = {"first": first, "second": second} | {name: getattr(result, field) for name, field in _COLUMNS.items()}
        table.append(row)
    return pd.DataFrame(table, columns=["first", "second", *_COLUMNS])


#: The columns of `compare` and the fields of a `Comparison` that they hold.
_COLUMNS = {"n": "n", "first_agreement": "first", "second_agreement": "second", "between": "between"}
_COLUMNS |= {"difference": "difference", "ci_low": "low", "ci_high": "high", "z": "z", "p_value": "p_value"}
_COLUMNS |= {"steiger_z": "steiger_z", "steiger_p_value": "steiger_p_value"}


def _determinant(a: float, b: float, c: float) -> float:
    """Of the 3 x 3 correlation matrix; not negative for correlations that can occur together."""
    return 1 + 2 * a * b * c - a * a - b * b - c * c


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


def _sign(harder: Harder) -> int:
    """Turns a score so that larger means easier, as HSF does."""
    if harder not in ("high", "low"):
        raise CurateError(f'harder must be "high" or "low", not {harder!r}')
    return -1 if harder == "high" else 1


def _check_names(
    pairs: Iterable[tuple[str, str]], scores: Mapping[str, np.ndarray], harder: Mapping[str, Harder]
) -> None:
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        if name not in scores:
            raise CurateError(f"there is no score {name!r}: choose among {', '.join(scores)}")
        if name not in harder:
            raise CurateError(f"harder does not say which end of {name!r} means a harder sample: add it")
