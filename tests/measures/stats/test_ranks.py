"""Average ranks and Spearman against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from avhcurate.measures.stats.ranks import average_ranks, rank_shares, spearman, standard_ranks

TIED = arrays(
    np.float64, st.integers(1, 50), elements=st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1e-40, 0.2, 1.0, np.inf])
)


@settings(deadline=None)
@given(TIED)
def test_average_ranks_are_scipys(values):
    assert average_ranks(values).tolist() == rankdata(values).tolist()
    assert average_ranks(values.astype(np.float32)).tolist() == rankdata(values).tolist()


def test_spearman_is_scipys_and_shares_of_ranks_count_what_lies_below_and_half_of_the_ties():
    rng = np.random.default_rng(0)
    x, y = rng.random(80), rng.integers(0, 9, 80).astype(float)
    assert spearman(standard_ranks(x), standard_ranks(y)) == pytest.approx(spearmanr(x, y).statistic)
    slow = [((y < value).sum() + 0.5 * (y == value).sum()) / 80 for value in y]
    assert rank_shares(y) == pytest.approx(slow)
