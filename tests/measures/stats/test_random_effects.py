"""Random effects: the published example of DerSimonian and Laird's formulas by hand, coverage, and few units."""

import numpy as np
import pytest

from avhcurate.measures.stats.random_effects import random_effects


def test_it_is_the_formula_by_hand():
    """Effects 0.1, 0.3, 0.8 with variance 0.01: Q is 26, the spread between them (26 - 2) / 200."""
    found = random_effects([0.1, 0.3, 0.8], [0.1] * 3)
    assert found.value == pytest.approx(0.4)
    assert found.spread**2 == pytest.approx(0.12)
    assert found.differ_p == pytest.approx(np.exp(-13))
    assert found.high - found.value == pytest.approx(4.302653 * (0.13 / 3) ** 0.5)


def test_units_that_differ_are_covered_as_a_fixed_mean_would_not():
    rng, inside, fixed = np.random.default_rng(0), [], []
    for _ in range(300):
        errors = rng.uniform(0.03, 0.1, 10)
        values = 0.3 + rng.normal(0, 0.1, 10) + rng.normal(0, errors)
        found = random_effects(values, errors)
        inside.append(found.low < 0.3 < found.high)
        mean = np.average(values, weights=errors**-2)
        fixed.append(abs(mean - 0.3) < 1.96 * (errors**-2).sum() ** -0.5)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)
    assert np.mean(fixed) < 0.8


def test_units_without_an_effect_are_left_out():
    assert random_effects([0.2, np.nan, 0.4], [0.1, 0.1, 0.1]) == random_effects([0.2, 0.4], [0.1, 0.1])
    alone = random_effects([0.2, np.nan], [0.1, 0.1])
    assert (alone.n, alone.value, np.isnan(alone.low)) == (1, 0.2, True)
    assert random_effects([], []).n == 0
