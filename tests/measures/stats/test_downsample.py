"""Fair samples and cells: exact numbers, every group there, and cells as counted by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.measures.stats.downsample import cells_of, downsample


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8), st.integers(1, 300), st.integers(0, 9))
def test_a_downsample_has_the_number_asked_for_and_every_group_its_share(counts, most, seed):
    groups = np.repeat(np.arange(-1, len(counts) - 1), counts)
    chosen = downsample(np.random.default_rng(seed).permutation(groups), most=most)
    assert len(chosen) == min(most, len(groups))
    assert (np.diff(chosen) > 0).all()


def test_a_cell_holds_what_lies_in_it():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 3, 500), rng.uniform(0, 2, 500)
    expected = np.where((x >= 0) & (x < 2), np.floor(y) * 4 + np.floor(x * 2), -1)
    assert cells_of(x, y, (0, 2, 0, 2), columns=4, rows=2).tolist() == expected.tolist()
    assert cells_of(np.array([2.0]), np.array([2.0]), (0, 2, 0, 2), columns=4, rows=2).tolist() == [7]
