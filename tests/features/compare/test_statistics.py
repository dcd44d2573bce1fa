"""Two classifiers on the same samples, against formulas written out and answers known by construction."""

import numpy as np
import pytest

from avhcurate.features.compare.statistics import (
    confused_pairs,
    confusion,
    fit_line,
    hard_for_all,
    hard_for_one,
    mcnemar,
)

RNG = np.random.default_rng(0)


def test_mcnemar_is_the_binomial_of_those_that_only_one_has_right():
    one, other = np.zeros(30, bool), np.zeros(30, bool)
    one[:12] = other[11:14] = True  # 11 only first, 2 only second, 1 both
    p = 2 * sum(np.prod([(13 - i) / (i + 1) for i in range(k)]) for k in range(3)) / 2**13
    assert mcnemar(one, other) == (11, 2, pytest.approx(p))
    assert mcnemar(one, one) == (0, 0, 1.0)


def test_the_pairs_that_either_confuses_most_come_first_and_the_diagonal_never():
    labels = np.array([0] * 10 + [1] * 10 + [2] * 10)
    a = confusion(labels, np.array([0] * 10 + [1] * 10 + [0] * 4 + [2] * 6), 3)
    b = confusion(labels, np.array([0] * 10 + [2] * 7 + [1] * 3 + [2] * 9 + [1]), 3)
    found = confused_pairs(a, b, most=2)
    assert found.to_numpy().tolist() == [[1, 2, 0, 7], [2, 0, 4, 0]]
    assert a[2].tolist() == [4, 0, 6]


def test_hard_for_one_and_for_all_hold_their_cuts_and_order():
    ranks = RNG.random((3, 500))
    rows = hard_for_one(ranks[0], ranks[1], easy=0.4, hard=0.7)
    assert set(rows) == {i for i in range(500) if ranks[0, i] >= 0.7 and ranks[1, i] <= 0.4}
    assert (np.diff((ranks[0] - ranks[1])[rows]) <= 0).all()
    every = hard_for_all(list(ranks), hard=0.6)
    assert set(every) == {i for i in range(500) if ranks[:, i].min() >= 0.6}
    assert (np.diff(ranks.mean(axis=0)[every]) <= 0).all()


def test_the_line_is_that_of_least_squares_and_its_interval_holds_the_planted_slope():
    x = RNG.random(40)
    y = 0.8 * x + 0.1 + RNG.normal(0, 0.05, 40)
    line = fit_line(x, y)
    assert (line.slope, line.intercept) == pytest.approx(tuple(np.polyfit(x, y, 1)))
    assert line.low < 0.8 < line.high
    assert line.r_squared == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert fit_line(x[:2], y[:2]) is None
    assert fit_line(np.ones(5), y[:5]) is None
