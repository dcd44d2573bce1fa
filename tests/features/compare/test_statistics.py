"""Two classifiers on the same samples, against formulas written out and answers known by construction."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.features.compare.run_pair import mcnemar
from avhcurate.features.compare.service import fit_line

RNG = np.random.default_rng(0)


def test_mcnemar_is_the_binomial_of_those_that_only_one_has_right():
    one, other = pd.Series([0] * 30), pd.Series([0] * 30)
    one[:12] = other[11:14] = 1  # 11 only first, 2 only second, 1 both
    p = 2 * sum(np.prod([(13 - i) / (i + 1) for i in range(k)]) for k in range(3)) / 2**13
    assert mcnemar(one, other) == (11, 2, pytest.approx(p))
    assert mcnemar(one, one) == (0, 0, 1.0)


def test_the_line_is_that_of_least_squares_and_its_interval_holds_the_planted_slope():
    x = pd.Series(RNG.random(40))
    y = 0.8 * x + 0.1 + RNG.normal(0, 0.05, 40)
    line, reach = fit_line(x, y)
    assert (line.slope, line.intercept) == pytest.approx(tuple(np.polyfit(x, y, 1)))
    assert abs(line.slope - 0.8) < reach
    assert line.rvalue == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert fit_line(x[:2], y[:2]) is None
    assert fit_line(pd.Series(np.ones(5)), y[:5]) is None
