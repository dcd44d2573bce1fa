"""Fair samples and cells: exact numbers, every group there, and counts, means and majorities as counted by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.stats.downsample import cut, downsample


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8), st.integers(1, 300), st.integers(0, 9))
def test_a_downsample_has_the_number_asked_for_and_every_group_its_share(counts, most, seed):
    groups = np.repeat(np.arange(-1, len(counts) - 1), counts)
    chosen = downsample(np.random.default_rng(seed).permutation(groups), most=most)
    assert len(chosen) == min(most, len(groups))
    assert (np.diff(chosen) > 0).all()


def test_rare_groups_stay_and_the_others_keep_their_proportion():
    groups = np.repeat([0, 1, 2], [60_000, 30_000, 12])
    kept = np.bincount(groups[downsample(groups, most=3000)])
    assert kept[2] == 12
    assert kept.sum() == 3000
    assert 1.7 < kept[0] / kept[1] < 2.1


def test_another_seed_draws_others():
    groups = np.zeros(1000, int)
    first, again, other = (set(downsample(groups, most=50, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_cells_count_average_and_name_what_lies_in_them():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 3, 500), rng.uniform(0, 2, 500)
    values, groups = rng.normal(size=500), rng.integers(-1, 3, 500)
    values[::7] = np.nan
    cells = cut(x, y, (0, 2, 0, 2), columns=4, rows=2)
    means, (largest, share) = cells.means(values), cells.majorities(groups, 3)
    for row in range(2):
        for column in range(4):
            inside = (np.floor(x * 2) == column) & (np.floor(y) == row)
            assert cells.counts[row, column] == inside.sum()
            assert inside[cells.example[row, column]]
            np.testing.assert_allclose(means[row, column], np.nanmean(values[inside]))
            counts = np.bincount(groups[inside & (groups >= 0)], minlength=3)
            assert counts[largest[row, column]] == counts.max()
            assert share[row, column] == counts.max() / inside.sum()
    assert (cells.x.tolist(), cells.y.tolist()) == ([0.25, 0.75, 1.25, 1.75], [0.5, 1.5])
    assert cells.counts.sum() == ((x >= 0) & (x <= 2)).sum()


def test_no_points_make_empty_cells():
    nothing = np.empty(0)
    cells = cut(nothing, nothing, (0, 1, 0, 1), columns=2, rows=2)
    assert cells.counts.sum() == 0
    assert np.isnan(cells.means(nothing)).all()
    assert (cells.majorities(np.empty(0, int), 2)[0] == -1).all()
