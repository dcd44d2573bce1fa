"""Which of two scores follows human judgement more closely: tests for two correlations on the same samples.

Both correlations share HSF and the samples, so they are dependent and the usual test for independent ones is wrong.
Meng, Rosenthal and Rubin (1992) compare their Fisher z; Steiger (1980) checks it. These were made for Pearson of normal
variables. With Spearman they stay near their nominal level where scores differ everywhere a little, and are liberal, 9
to 12 % at 5 %, where two scores agree but for a few samples, as two runs of one network do (see the tests). So the
standard error by the influence of each sample on the ranks (`rank_influence`, a jackknife) stands beside it and takes
its place where the two differ by more than a tenth: at most 6 % in the same simulations, less where very few differ.
Below 20 samples it is too small as often as not, and the larger of the two counts.

Signs. AVH falls as HSF rises while confidence rises. So each score is first turned, by its known direction and never by
its data, until a larger value means an easier sample: a correlation is then positive when the score agrees with people,
and a score that says the opposite counts as worse than one that says nothing.
"""

import itertools
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from avhcurate.errors import CurateError
from avhcurate.stats.correlation import check_samples, numbers
from avhcurate.stats.rank_influence import estimate, spearman_influence
from avhcurate.stats.ranks import doubled_ranks, doubled_ranks_of_few, rounded

#: Standard errors from the middle of a 95 % interval to its ends.
_Z = float(ndtri(0.975))
#: Of fewer samples the influences alone promise too much.
_FEWEST = 20
#: Of more samples the influences of so many say enough.
_MOST = 100_000
#: Samples whose ranks are multiplied at once.
_BLOCK = 65_536
#: Factor that turns a score until larger means easier, as with HSF, by the end that means a harder sample.
_SIGNS = {"high": -1, "low": 1}


class Comparison(NamedTuple):
    """The Meng-Rosenthal-Rubin test of two correlations with one variable, with Steiger's beside it.

    between: correlation of the two scores. difference: atanh(first) - atanh(second), with the ends of its 95 %
    interval. z, p_value: two-sided test that the correlations are equal; steiger_z, steiger_p_value: Steiger's (1980)
    test with pooled correlations. error, rank_error: the standard error of the difference by Meng, Rosenthal and Rubin,
    and by the influence of each sample on the ranks, which z, p and the interval use where `by_ranks`. gap: first -
    second, not transformed, with its interval from the influences. NaN where n is below 4 or a correlation is NaN, -1
    or 1, and where there were no samples to take an influence from.
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
    error: float = float("nan")
    rank_error: float = float("nan")
    gap: float = float("nan")
    gap_low: float = float("nan")
    gap_high: float = float("nan")

    @property
    def by_ranks(self) -> bool:
        """Whether the two standard errors differ by more than a tenth."""
        return abs(self.rank_error - self.error) > 0.1 * self.error + 1e-9

    def swapped(self) -> "Comparison":
        """The comparison of the second with the first."""
        return self._replace(
            first_agreement=self.second_agreement,
            second_agreement=self.first_agreement,
            difference=-self.difference,
            ci_low=-self.ci_high,
            ci_high=-self.ci_low,
            z=-self.z,
            steiger_z=-self.steiger_z,
            gap=-self.gap,
            gap_low=-self.gap_high,
            gap_high=-self.gap_low,
        )

    def with_influences(self, first: np.ndarray, second: np.ndarray) -> "Comparison":
        """The comparison with the standard error by influences (m,) of samples on both agreements beside its own.

        Of m samples out of n, drawn at random, the influences say what those of all would.
        """
        if self.p_value != self.p_value:
            return self
        share = np.sqrt(len(first) / self.n)
        one, other = (1 - value**2 for value in (self.first_agreement, self.second_agreement))
        error = share * estimate(0.0, first / one - second / other).error
        if self.n < _FEWEST:
            error = max(error, self.error)
        reach = _Z * share * estimate(0.0, first - second).error
        gap = self.first_agreement - self.second_agreement
        beside = self._replace(rank_error=error, gap=gap, gap_low=gap - reach, gap_high=gap + reach)
        if not beside.by_ranks:
            return beside
        z, half = _ratio(self.difference, error), _Z * error
        low, high = self.difference - half, self.difference + half
        return beside._replace(z=z, p_value=_two_sided(z), ci_low=low, ci_high=high)


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
    reach = _Z * error
    z, steiger_z = (_ratio(difference, se) for se in (error, _steiger_error(first, second, between, n)))
    ends = difference - reach, difference + reach
    tests = z, _two_sided(z), steiger_z, _two_sided(steiger_z)
    return Comparison(n, first, second, between, difference, *ends, *tests, error)


def compare(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    *,
    harder: Mapping[str, Literal["high", "low"]],
    ids: ArrayLike | None = None,
    kept: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Tests every pair of scores for their agreement with HSF, each on the samples with all three values.

    scores and hsf (N,), NaN for none; harder names the end of each score that means a harder sample. One row a pair:
    `first, second` and the fields of a `Comparison`; the agreements are Spearman after turning the scores as said
    above, and a positive difference means that the first agrees more closely with people. p-values are not corrected
    for the number of pairs. `kept`: what `correlation.correlate` has kept of the same columns.

    >>> scores = {"avh": [3, 2, 1, 4, 5, 6], "confidence": [4, 5, 6, 2, 1, 3]}
    >>> table = compare(scores, [3, 5, 4, 2, 1, 0], harder={"avh": "high", "confidence": "low"})
    >>> table[["first_agreement", "second_agreement", "between"]].round(2).values.tolist()
    [[0.94, 0.77, 0.83]]
    """
    columns = {name: numbers(values) for name, values in scores.items()}
    votes = numbers(hsf)
    check_samples(columns, votes, ids)
    signs = {name: _SIGNS[harder[name]] for name in columns}
    found: dict[tuple[str, str], Comparison] = {}
    for rows, pairs in _by_rows(columns, votes):
        names = list(dict.fromkeys(itertools.chain(*pairs)))
        rho = _correlations([_ranks(columns[name], rows, (kept or {}).get(name)) for name in names], votes[rows])
        signed = np.array([*(signs[name] for name in names), 1])
        rho *= signed[:, None] * signed
        influences = _Influences(columns, votes, rows)
        place = {name: at for at, name in enumerate(names)}
        for pair in pairs:
            one, other = (place[name] for name in pair)
            first, second, between = (float(rho[at]) for at in ((one, -1), (other, -1), (one, other)))
            test = meng_rosenthal_rubin(first, second, between, len(votes[rows]))
            if test.p_value == test.p_value:
                test = test.with_influences(*(signs[name] * influences.of(name) for name in pair))
            found[pair] = test
    table = [(*pair, *found[pair]) for pair in itertools.combinations(columns, 2)]
    return pd.DataFrame(table, columns=["first", "second", *Comparison._fields])


def _by_rows(
    columns: Mapping[str, np.ndarray], votes: np.ndarray
) -> Iterator[tuple[np.ndarray | slice, list[tuple[str, str]]]]:
    """The pairs of scores, those that are on the same samples together, and these samples; a slice for all of them."""
    present = {name: ~(np.isnan(values) | np.isnan(votes)) for name, values in columns.items()}
    patterns = {name: blake2b(np.packbits(rows).data).digest() for name, rows in present.items()}
    together: dict[frozenset[bytes], list[tuple[str, str]]] = {}
    for pair in itertools.combinations(columns, 2):
        together.setdefault(frozenset(patterns[name] for name in pair), []).append(pair)
    for pairs in together.values():
        rows = present[pairs[0][0]] & present[pairs[0][1]]
        yield (slice(None) if rows.all() else rows), pairs


def _ranks(values: np.ndarray, rows: np.ndarray | slice, kept: np.ndarray | None) -> np.ndarray:
    """Twice the ranks (n,) int32 of a score on some samples; those kept, where they are of the same samples."""
    if kept is not None and np.count_nonzero(kept) == len(found := kept[rows]) and found.all():
        return found
    return doubled_ranks(values[rows])


def _correlations(doubled: list[np.ndarray], votes: np.ndarray) -> np.ndarray:
    """Spearman of each two of scores and HSF, (columns, columns), by twice the ranks (n,); NaN where one is constant.

    Twice the ranks are whole numbers, so that they are kept in half the room and multiplied without an error.
    """
    doubled = [*doubled, doubled_ranks_of_few(votes)]
    n, products = len(votes), np.zeros((len(doubled), len(doubled)))
    for start in range(0, n, _BLOCK):
        block = np.array([ranks[start : start + _BLOCK] for ranks in doubled], float) - (n + 1)
        products += block @ block.T
    lengths = np.sqrt(np.diag(products))
    lengths[lengths == 0] = np.nan
    return rounded(products / (lengths[:, None] * lengths))


class _Influences:
    """Influence of some samples, or of some of very many of them, on the correlation of a column with HSF."""

    def __init__(self, columns: Mapping[str, np.ndarray], votes: np.ndarray, rows: np.ndarray | slice) -> None:
        some = np.flatnonzero(rows) if isinstance(rows, np.ndarray) else np.arange(len(votes))
        self._rows = np.random.default_rng(0).permutation(some)[:_MOST] if len(some) > _MOST else some
        self._columns, self._votes, self._known = columns, votes[self._rows], dict[str, np.ndarray]()

    def of(self, name: str) -> np.ndarray:
        if name not in self._known:
            self._known[name] = spearman_influence(self._columns[name][self._rows], self._votes)[1]
        return self._known[name]


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
