"""Which of two scores follows human judgement more closely: tests for two correlations on the same samples.

Both correlations share HSF and the samples, so they are dependent and the usual test for independent ones is wrong.
Meng, Rosenthal and Rubin (1992) compare their Fisher z. Their test was made for Pearson of normal variables. With
Spearman it stays near its nominal level where scores differ everywhere a little, and is liberal, 9 to 12 % at 5 %,
where two scores agree but for a few samples, as two runs of one network do (see the tests). So the standard error by
the influence of each sample on the ranks (`rank_influence`, a jackknife) is computed too. It is used where the two
differ by more than a tenth: about 5 to 8 % in such simulations, less where very few samples differ. Below 20 samples it
is too small as often as not, and the larger of the two counts.

Signs. AVH falls as HSF rises while confidence rises. So each score is first turned, by its known direction and never by
its data, until a larger value means an easier sample: a correlation is then positive when the score agrees with people,
and a score that says the opposite counts as worse than one that says nothing.
"""

import itertools
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtr

from avhcurate.measures.stats.correlation import Z, numbers
from avhcurate.measures.stats.rank_influence import estimate, spearman_influence
from avhcurate.measures.stats.ranks import Scratch, doubled_ranks, rounded

#: Of fewer samples the influences claim too much.
_FEWEST = 20
#: Of more samples the influences of so many say enough.
_MOST = 100_000
#: Samples whose ranks are multiplied at once.
_BLOCK = 65_536
#: Factor that turns a score until larger means easier, as with HSF, by the end that means a harder sample.
_SIGNS = {"high": -1, "low": 1}
_NAN = float("nan")
#: The name of HSF among those of scores.
_HSF = "hsf"


class Comparison(NamedTuple):
    """The Meng-Rosenthal-Rubin test of two correlations with one variable.

    between: correlation of the two scores. difference: atanh(first) - atanh(second), with the ends of its 95 %
    interval. z, p_value: two-sided test that the correlations are equal. error, rank_error: the standard error of the
    difference by Meng, Rosenthal and Rubin, and by the influence of each sample on the ranks, which z, p and the
    interval use where `by_ranks`. gap: first - second, not transformed, with its interval from the influences. NaN
    where n is below 4 or a correlation is NaN, -1 or 1, and where there were no samples to take an influence from.
    """

    n: int
    first_agreement: float
    second_agreement: float
    between: float
    difference: float = _NAN
    ci_low: float = _NAN
    ci_high: float = _NAN
    z: float = _NAN
    p_value: float = _NAN
    error: float = _NAN
    rank_error: float = _NAN
    gap: float = _NAN
    gap_low: float = _NAN
    gap_high: float = _NAN

    @property
    def by_ranks(self) -> bool:
        """Whether the two standard errors differ by more than a tenth."""
        return abs(self.rank_error - self.error) > 0.1 * self.error + 1e-9

    def tested(self, error: float) -> "Comparison":
        """Return the comparison with z, p and the interval from a standard error of the difference."""
        z = 0.0
        if error > 1e-9:  # two scores with the same ranks (AVH and relative AVH) do not differ at all
            z = self.difference / error
        return self._replace(
            z=z,
            p_value=float(2 * ndtr(-abs(z))),
            ci_low=self.difference - Z * error,
            ci_high=self.difference + Z * error,
        )

    def with_influences(self, first: np.ndarray, second: np.ndarray) -> "Comparison":
        """Return the comparison with the standard error by influences (m,) of samples on both agreements.

        Of m samples out of n, drawn at random, the influences say what those of all would.
        """
        share = np.sqrt(len(first) / self.n)
        slope_first = 1 - self.first_agreement**2
        slope_second = 1 - self.second_agreement**2
        error = share * estimate(0.0, first / slope_first - second / slope_second).error
        if self.n < _FEWEST:
            error = max(error, self.error)
        reach = Z * share * estimate(0.0, first - second).error
        gap = self.first_agreement - self.second_agreement
        result = self._replace(rank_error=error, gap=gap, gap_low=gap - reach, gap_high=gap + reach)
        if result.by_ranks:
            return result.tested(error)
        return result


def meng_rosenthal_rubin(first: float, second: float, between: float, n: int) -> Comparison:
    """Compare the correlations of two variables with a third: first and second; between is that of the two.

    X. Meng, R. Rosenthal, D. B. Rubin: Comparing correlated correlation coefficients. Psychological Bulletin 111 (1992)
    172-175, equations 1 to 3.

    >>> c = meng_rosenthal_rubin(0.8066, 0.2383, 0.2255, 177)
    >>> round(c.z, 2), round(c.ci_low, 2), round(c.ci_high, 2)
    (8.39, 0.67, 1.08)
    """
    untested = Comparison(n=n, first_agreement=first, second_agreement=second, between=between)
    if n < 4 or not (abs(first) < 1 and abs(second) < 1 and abs(between) <= 1):
        return untested
    mean_square = (first**2 + second**2) / 2
    f = min(1.0, (1 - between) / (2 * (1 - mean_square)))
    h = (1 - f * mean_square) / (1 - mean_square)
    error = float(np.sqrt(max(0.0, 2 * (1 - between) * h / (n - 3))))
    difference = float(np.arctanh(first) - np.arctanh(second))
    return untested._replace(difference=difference, error=error).tested(error)


def compare(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    *,
    harder: Mapping[str, Literal["high", "low"]],
    ranked: bool = False,
) -> pd.DataFrame:
    """Test every pair of scores for their agreement with HSF, each on the samples with all three values.

    scores and hsf (N,), NaN for none; harder names the end of each score that means a harder sample, and the scores to
    compare. One row a pair: `first, second` and the fields of a `Comparison`. The agreements are Spearman after turning
    the scores as said above; a positive difference means that the first agrees more closely with people. p-values are
    not corrected for the number of pairs. `ranked`: the scores are the ranks of `correlation.correlate` with this HSF.

    >>> scores = {"avh": [3, 2, 1, 4, 5, 6], "confidence": [4, 5, 6, 2, 1, 3]}
    >>> table = compare(scores, [3, 5, 4, 2, 1, 0], harder={"avh": "high", "confidence": "low"})
    >>> table[["first_agreement", "second_agreement", "between"]].round(2).values.tolist()
    [[0.94, 0.77, 0.83]]
    """
    votes = numbers(hsf)
    ranks: Any = scores
    if not ranked:
        ranks = {}
        for name in harder:
            values = numbers(scores[name])
            ranks[name] = _among(values, ~(np.isnan(values) | np.isnan(votes)))
    tests: dict[tuple[str, str], Comparison] = {}
    for rows, pairs in _by_rows(ranks, list(harder), len(votes)):
        names = list(dict.fromkeys(itertools.chain(*pairs)))
        signs = np.array([_SIGNS[harder[name]] for name in names])
        levels = pd.factorize(votes[rows], sort=True)[0]
        counts = np.bincount(levels)  # HSF has few values
        of_hsf = np.zeros(len(votes), np.int32)
        of_hsf[rows] = (2 * np.cumsum(counts) - counts + 1).astype(np.int32)[levels]
        among = ChainMap({_HSF: of_hsf}, _among_rows(ranks, names, rows))
        rho = _correlations(among, [*names, _HSF], rows)
        rho *= np.outer([*signs, 1], [*signs, 1])
        drawn = rows
        if len(rows) > _MOST:
            drawn = np.random.default_rng(0).permutation(rows)[:_MOST]
        influences = [
            sign * spearman_influence(ranks[name][drawn], votes[drawn])[1]
            for name, sign in zip(names, signs, strict=True)
        ]
        for pair in pairs:
            first = names.index(pair[0])
            second = names.index(pair[1])
            test = meng_rosenthal_rubin(rho[first, -1], rho[second, -1], rho[first, second], len(rows))
            if not np.isnan(test.p_value):
                test = test.with_influences(influences[first], influences[second])
            tests[pair] = test
    table = [(*pair, *tests[pair]) for pair in itertools.combinations(harder, 2)]
    return pd.DataFrame(table, columns=["first", "second", *Comparison._fields])


def _among(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return twice the ranks (N,) of the values of some samples among each other, 0 for the others."""
    ranks = np.zeros(len(values), np.int32)
    ranks[members] = doubled_ranks(values[members])
    return ranks


def _by_rows(
    ranks: Mapping[str, np.ndarray], names: Sequence[str], n: int
) -> Iterator[tuple[np.ndarray, list[tuple[str, str]]]]:
    """Yield samples, and the pairs of scores that both have on just these samples: they are ranked once for all."""
    present = {name: np.packbits(ranks[name] > 0) for name in names}
    patterns = {name: bits.tobytes() for name, bits in present.items()}
    together: dict[frozenset[bytes], list[tuple[str, str]]] = {}
    for first, second in itertools.combinations(names, 2):
        together.setdefault(frozenset((patterns[first], patterns[second])), []).append((first, second))
    for pairs in together.values():
        first, second = pairs[0]
        yield np.flatnonzero(np.unpackbits(present[first] & present[second], count=n)), pairs


def _among_rows(ranks: Any, names: Sequence[str], rows: np.ndarray) -> Any:
    """Return the ranks of scores (N,) among the samples `rows`: those that more samples have are ranked again."""
    again = Scratch()
    for name in names:
        if np.count_nonzero(ranks[name]) > len(rows):
            again[name] = _among(ranks[name], rows)
    return ChainMap(again, ranks)


def _correlations(ranks: Mapping[str, np.ndarray], names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Return Spearman of each two of some columns from twice their ranks (N,), of which the samples `rows` count.

    NaN for a constant.
    """
    n = len(rows)
    products = np.zeros((len(names), len(names)))
    for start in range(0, n, _BLOCK):
        part = rows[start : start + _BLOCK]
        block = np.array([ranks[name][part] for name in names]) - (n + 1.0)
        products += block @ block.T
    lengths = np.sqrt(np.diag(products))
    lengths[lengths == 0] = np.nan
    return rounded(products / (lengths[:, None] * lengths))
