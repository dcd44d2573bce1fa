"""Intervals of shares and of ratios: scipy's numbers, and none where there is nothing to tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from avhcurate.measures.stats.intervals import ratio, wilson


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=8))
def test_the_wilson_interval_is_scipys(pairs):
    successes, trials = np.array([min(p) for p in pairs]), np.array([max(p) for p in pairs])
    low, high = wilson(successes, trials)
    for k, n, a, b in zip(successes, trials, low, high, strict=True):
        if n == 0:
            assert np.isnan([a, b]).all()
        else:
            reference = binomtest(int(k), int(n)).proportion_ci(0.95, method="wilson")
            assert (a, b) == pytest.approx((reference.low, reference.high), abs=1e-12)
            assert 0 <= a <= k / n <= b <= 1


def test_a_ratio_has_fiellers_interval_and_none_where_what_is_below_may_be_0():
    """Fieller's roots of (a - q b)^2 = z^2 (s_a^2 + q^2 s_b^2) for a = .3, b = .8, and errors of .1 and .05."""
    found = ratio((0.3, 0.3 - 0.196, 0.3 + 0.196), (0.8, 0.8 - 0.098, 0.8 + 0.098))
    roots = np.roots([0.8**2 - 0.098**2, -2 * 0.3 * 0.8, 0.3**2 - 0.196**2])
    assert found[1:] == pytest.approx(sorted(roots), abs=1e-12)
    assert ratio((1e-6, -0.2, 0.2), (0.8, 0.7, 0.9))[1] < 0 < ratio((1e-6, -0.2, 0.2), (0.8, 0.7, 0.9))[2] < 0.3
    for without in (ratio((0.3, 0.1, 0.5), (0.4, 0.0, 0.6)), ratio((1.0, np.nan, np.nan), (0.8, 0.7, 0.9))):
        assert np.isnan(without[1:]).all()
