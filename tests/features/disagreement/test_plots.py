"""The chart of the gap: every point where the table has it, the corners where the sets begin, up is always hard."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.features.disagreement.plots import downsampled, gap_scatter
from avhcurate.features.disagreement.rules import Cuts, gap_sets
from avhcurate.features.disagreement.service import Gap

NAMES = {"hard_for_humans": "humans · n 1", "hard_for_network": "network · n 1"}


def gap_of(hsf, value, harder="high", **more):
    sets, gap = gap_sets(hsf, value, harder=harder, score_cuts=Cuts(0.2, 0.8))
    points = pd.DataFrame({"id": np.arange(len(hsf)) + 100, "hsf": hsf, "value": value, "gap": gap, "set": ""})
    points.loc[sets.hard_for_humans, "set"], points.loc[sets.hard_for_network, "set"] = NAMES
    points["difficulty"] = ((sets.sign * points["value"]).rank() - 0.5) / len(hsf)
    return Gap("avh", sets, points[points["set"] != ""], points, more.get("simulated", False))


def drawn(harder, **more):
    value = np.array([0.1, 0.2, 0.9, 0.8, 0.5])
    gap = gap_of([0.1, 0.9, 0.9, 0.1, 0.5], value if harder == "high" else 1 - value, harder, **more)
    return gap.points, gap_scatter(gap, gap.points, score="AVH", names=NAMES)


@pytest.mark.parametrize("harder", ["high", "low"])
def test_points_lie_where_the_table_says_and_carry_their_id(harder):
    points, figure = drawn(harder)
    found = {
        int(row[0]): (x, y)
        for trace in figure.data
        for row, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    expected = dict(zip(points["id"], zip(points["hsf"], points["difficulty"], strict=True), strict=True))
    assert found == expected
    assert [list(trace.ids) for trace in figure.data[1:]] == [["100"], ["102"]]


@pytest.mark.parametrize("harder", ["high", "low"])
def test_up_is_harder_and_each_set_lies_in_its_region(harder):
    _, figure = drawn(harder)
    bottom, top = figure.layout.yaxis.range
    up = 1 if top > bottom else -1
    humans, network = figure.layout.shapes
    assert up * (network.y0 - humans.y1) > 0
    assert (humans.x1, network.x0) == (0.2, 0.8)
    for trace, region in zip(figure.data[1:], (humans, network), strict=True):
        low, high = sorted([region.y0, region.y1])
        assert region.x0 <= trace.x[0] <= region.x1
        assert low <= trace.y[0] <= high
    outside = zip(figure.data[0].x, figure.data[0].y, strict=True)
    for x, y in outside:
        assert not any(r.x0 <= x <= r.x1 and min(r.y0, r.y1) <= y <= max(r.y0, r.y1) for r in (humans, network))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(2, 50))
def test_thinning_keeps_the_limit_and_the_sets_as_far_as_they_fit(inside, outside, most):
    points = pd.DataFrame({"id": np.arange(inside + outside), "set": ["s"] * inside + [""] * outside})
    kept = downsampled(points, most=most)
    assert len(kept) == min(most, inside + outside)
    assert kept["id"].is_monotonic_increasing
    assert kept["id"].is_unique
    assert (kept["set"] == "s").sum() >= min(inside, most // 2)
