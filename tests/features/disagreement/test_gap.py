"""The gap between people and the network over a real table: who is in which set, its table and its chart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.features.disagreement.plots import downsampled, gap_scatter
from avhcurate.features.disagreement.service import SETS, Gap, disagree, gap_table
from avhcurate.features.disagreement.study import disagreement


def test_the_two_sets_lie_beyond_their_cuts_and_never_meet(digits):
    gap = disagree(digits.samples, digits.run, digits.prediction, key="avh")
    rows = gap_table(digits.samples, gap)
    humans, network = (rows[rows["set"] == name] for name in SETS)
    low, high = gap.sets.score_cuts
    assert (humans["hsf"] <= 0.2).all()
    assert (humans["avh"] <= low).all()
    assert (network["hsf"] >= 0.8).all()
    assert (network["avh"] >= high).all()
    assert not set(humans["id"]) & set(network["id"])
    assert len(rows) == sum(len(ids) for ids in gap.ids.values()) > 0
    assert rows["hsf_source"].unique().tolist() == ["simulated"]


def test_every_compared_sample_is_a_point_and_the_members_are_in_their_sets(digits):
    gap = disagree(digits.samples, digits.run, digits.prediction, key="avh")
    assert len(gap.points) == gap.sets.samples == 1797
    assert len(gap.members) == sum(map(len, gap.ids.values()))
    for name in SETS:
        assert set(gap.points["id"][gap.points["set"] == name]) == set(gap.ids[name])
    assert gap.points["difficulty"].corr(gap.points["value"], method="spearman") == pytest.approx(1)


def test_an_unknown_score_is_named(digits):
    with pytest.raises(CurateError, match="hardness"):
        disagree(digits.samples, digits.run, digits.prediction, key="hardness")


# --- the chart ----------------------------------------------------------------------------------------------------

NAMES = {"hard_for_humans": "humans · n 1", "hard_for_network": "network · n 1"}


def drawn(harder):
    hsf, value = np.array([0.1, 0.9, 0.9, 0.1, 0.5]), np.array([0.1, 0.2, 0.9, 0.8, 0.5])
    if harder == "low":
        value = 1 - value
    found = disagreement(hsf, value, harder=harder, score_cuts=(0.2, 0.8))
    sets, gap = found.sets, found.gap
    points = pd.DataFrame({"id": np.arange(5) + 100, "hsf": hsf, "value": value, "gap": gap, "set": ""})
    points.loc[sets.hard_for_humans, "set"], points.loc[sets.hard_for_network, "set"] = NAMES
    points["difficulty"] = ((sets.sign * points["value"]).rank() - 0.5) / 5
    gap = Gap("avh", sets, points[points["set"] != ""], points, False)
    return points, gap_scatter(gap, points, score="AVH", names=NAMES)


@pytest.mark.parametrize("harder", ["high", "low"])
def test_points_carry_their_id_where_the_table_says_up_is_harder_and_each_set_lies_in_its_region(harder):
    points, figure = drawn(harder)
    dots = [dot for trace in figure.data for dot in zip(trace.customdata[:, 0], trace.x, trace.y, strict=True)]
    assert sorted(dots) == sorted(points[["id", "hsf", "difficulty"]].itertuples(index=False, name=None))
    assert [list(trace.ids) for trace in figure.data[1:]] == [["100"], ["102"]]
    bottom, top = figure.layout.yaxis.range
    up = 1 if top > bottom else -1
    humans, network = figure.layout.shapes
    assert up * (network.y0 - humans.y1) > 0
    assert (humans.x1, network.x0) == (0.2, 0.8)
    for trace, region in zip(figure.data[1:], (humans, network), strict=True):
        low, high = sorted([region.y0, region.y1])
        assert region.x0 <= trace.x[0] <= region.x1
        assert low <= trace.y[0] <= high
    for x, y in zip(figure.data[0].x, figure.data[0].y, strict=True):
        assert not any(r.x0 <= x <= r.x1 and min(r.y0, r.y1) <= y <= max(r.y0, r.y1) for r in (humans, network))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(2, 50))
def test_thinning_keeps_the_limit_and_the_sets_as_far_as_they_fit(inside, outside, most):
    points = pd.DataFrame({"id": np.arange(inside + outside), "set": ["s"] * inside + [""] * outside})
    kept = downsampled(points, most=most)
    assert len(kept) == min(most, inside + outside)
    assert kept["id"].is_monotonic_increasing
    assert kept["id"].is_unique
    assert (kept["set"] == "s").sum() >= min(inside, most // 2)
