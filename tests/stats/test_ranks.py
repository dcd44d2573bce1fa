"""Average ranks against scipy, and ranks of resamples against ranking the resample itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from avhcurate.stats.ranks import (
    average_ranks,
    rank_shares,
    resample,
    spearman,
    standard_ranks,
    standard_ranks_of_codes,
    tie_codes,
)

TIED = arrays(
    np.float64, st.integers(1, 50), elements=st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1e-40, 0.2, 1.0, np.inf])
)


@settings(deadline=None)
@given(TIED)
def test_average_ranks_are_scipys(values):
    assert average_ranks(values).tolist() == rankdata(values).tolist()
    assert average_ranks(values.astype(np.float32)).tolist() == rankdata(values).tolist()


@settings(deadline=None)
@given(TIED, st.integers(0, 5))
def test_ranks_of_a_resample_are_those_of_its_values(values, seed):
    times = resample(len(values), np.random.default_rng(seed))
    assert times.sum() == len(values)
    direct = standard_ranks(np.repeat(values, times))
    found = standard_ranks_of_codes(tie_codes(values), times)
    if direct is None:
        assert found is None
    else:
        assert np.allclose(np.repeat(found, times), direct)


def test_spearman_of_a_resample_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 80), rng.random(80)
    times = resample(80, rng)
    found = spearman(*(standard_ranks_of_codes(tie_codes(values), times) for values in (x, y)), times)
    assert np.isclose(found, spearmanr(np.repeat(x, times), np.repeat(y, times)).statistic)


def test_shares_of_ranks_count_what_lies_below_and_half_of_the_ties():
    values = np.random.default_rng(0).integers(0, 9, 60).astype(float)
    slow = [((values < value).sum() + 0.5 * (values == value).sum()) / 60 for value in values]
    assert rank_shares(values) == pytest.approx(slow)
