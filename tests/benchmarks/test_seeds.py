"""Means over seeds: scipy's numbers, and none where there is nothing to tell."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from benchmarks.seeds import mean_over_seeds


def test_the_interval_and_p_are_scipys():
    test = ttest_1samp([0.1, 0.2, 0.3], 0)
    ends = test.confidence_interval()
    assert mean_over_seeds([0.1, 0.2, 0.3]) == pytest.approx((3, 0.2, ends.low, ends.high, test.pvalue))


def test_differences_that_are_all_equal_have_no_p():
    same = mean_over_seeds([0.25, 0.25, np.nan])
    assert (same.n, same.value, same.low, same.high) == (2, 0.25, 0.25, 0.25)
    assert np.isnan(same.p)
    assert np.isnan(mean_over_seeds([]).value)
