"""How points are drawn: colours and order of groups and numbers."""

import numpy as np
import pytest

from avhcurate.features.map.plots import ends, fold, group_colors, hardest_last
from avhcurate.ui.charts.chart_style import HARD, SLATE, ramp


@pytest.mark.parametrize("harder", ["high", "low", ""])
def test_the_hardest_lie_on_top(harder):
    missing, *known = hardest_last(np.array([0.5, 0.1, np.nan, 0.9, 0.3, 0.7]), harder).tolist()
    expected = [1, 4, 0, 5, 3]
    assert missing == 2
    assert known == (expected[::-1] if harder == "low" else expected)


def test_a_few_extreme_values_leave_the_scale_alone():
    assert ends(np.r_[np.linspace(0, 1, 1000), 1e9, np.nan])[1] < 1.1
    assert ends(np.array([np.nan])) == (0, 1)
    assert ends(np.full(3, 7.0)) == (7, 8)


def test_many_groups_are_folded_into_the_largest_and_the_rest():
    groups = np.r_[np.repeat(np.arange(14), np.arange(14) + 1), -1]
    new, names = fold(groups, [f"c{index}" for index in range(14)])
    assert names == [*(f"c{index}" for index in range(4, 14)), "others"]
    assert np.bincount(new[new >= 0]).tolist() == [*range(5, 15), 10]
    assert new[-1] == -1
    same, names = fold(groups[groups < 3], ["a", "b", "c"])
    assert names == ["a", "b", "c"]
    assert same.max() == 2


def test_bins_go_from_hard_to_easy_and_exceptions_are_orange():
    assert group_colors("hsf_bin", 2) == ramp(2)
    assert group_colors("mistake", 2)[1] == HARD
    assert len(set(group_colors("label", 10))) == 10
    assert group_colors("label", 1)[0] == SLATE
