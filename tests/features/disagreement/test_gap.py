"""The gap between people and the network: who is in which set, how wide it is, its table and its chart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.features.disagreement.plots import downsampled, gap_scatter
from avhcurate.features.disagreement.service import SETS, Cuts, Gap, disagree, gap_sets, gap_table

HSF = np.array([0.2, 0.1, 1.0, 0.9, 0.5, 0.2, np.nan, 1.0])
CONFIDENCE = np.array([0.93, 0.998, 0.001, 0.02, 0.5, 0.1, 0.9, np.nan])
BY_VALUE = Cuts(0.05, 0.9)


def test_the_papers_nail_and_golf_ball_land_in_their_sets():
    found, gap = gap_sets(HSF, CONFIDENCE, harder="low", score_cuts=BY_VALUE)
    assert found.hard_for_humans.tolist() == [1, 0]
    assert found.hard_for_network.tolist() == [2, 3]
    assert found.samples == 6
    assert np.isnan(gap).nonzero()[0].tolist() == [6, 7], "without HSF or score"


def test_the_gap_is_the_difference_of_rank_shares():
    _found, gap = gap_sets([0.1, 0.5, 0.9], [0.2, 0.3, 0.1], harder="high", score_cuts=Cuts(0.1, 0.3))
    # Hardness shares for humans 5/6, 3/6, 1/6; for the network 3/6, 5/6, 1/6.
    assert gap == pytest.approx([1 / 3, -1 / 3, 0])


def test_a_score_and_its_negative_with_the_other_direction_say_the_same():
    rng = np.random.default_rng(0)
    hsf, score = rng.random(200), rng.random(200)
    for quantile in (False, True):
        one, gap = gap_sets(hsf, score, harder="high", score_cuts=Cuts(0.25, 0.75, quantile))
        cuts = Cuts(0.25, 0.75, True) if quantile else Cuts(-0.75, -0.25)
        other, same = gap_sets(hsf, -score, harder="low", score_cuts=cuts)
        assert one.hard_for_humans.tolist() == other.hard_for_humans.tolist()
        assert one.hard_for_network.tolist() == other.hard_for_network.tolist()
        assert gap == pytest.approx(same)


def test_quantile_cuts_become_attained_values_and_take_ties():
    hsf = np.array([0.1, 0.2, 0.2, 0.8, 1.0, 1.0, 1.0, 1.0])
    found, _ = gap_sets(hsf, np.arange(8), harder="low", hsf_cuts=Cuts(0.25, 0.9, True), score_cuts=Cuts(2, 6))
    assert found.hsf_cuts == (0.2, 1.0)
    assert found.hard_for_humans.tolist() == []
    assert found.hard_for_network.tolist() == []
    reverse, _gap = gap_sets(hsf, np.arange(8), harder="high", hsf_cuts=Cuts(0.25, 0.9, True), score_cuts=Cuts(2, 6))
    assert reverse.hard_for_humans.tolist() == [0, 1, 2]
    assert reverse.hard_for_network.tolist() == [7, 6]


def test_sets_come_widest_gap_first():
    rng = np.random.default_rng(1)
    found, gap = gap_sets(rng.random(300), rng.random(300), harder="high")
    assert (np.diff(gap[found.hard_for_humans]) <= 0).all()
    assert (np.diff(gap[found.hard_for_network]) >= 0).all()
    assert (gap[found.hard_for_humans] > 0).all()
    assert (gap[found.hard_for_network] < 0).all()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 6)), min_size=1, max_size=40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from(["high", "low"]),
)
def test_no_sample_is_in_both_sets(pairs, low, high, quantile, harder):
    hsf, score = np.array(pairs, float).T
    cuts = Cuts(low, high, quantile)
    try:
        found, gap = gap_sets(hsf / 10, score / 6, harder=harder, hsf_cuts=cuts, score_cuts=Cuts(0.3, 0.7))
    except CurateError:
        assert low >= high or quantile
        return
    assert not set(found.hard_for_humans) & set(found.hard_for_network)
    assert (np.abs(gap) < 1).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hsf_cuts": Cuts(0.8, 0.2)}, "The HSF cuts must rise"),
        ({"score_cuts": Cuts(0.5, 0.5)}, "The score cuts must rise"),
        ({"score_cuts": Cuts(0.2, 20, True)}, "from 0 to 1"),
        ({"hsf_cuts": Cuts(0.7, 0.9, True)}, "The HSF is 1 at both quantiles, 0.7 and 0.9.*hsf_cuts"),
        (
            {"score": np.full(6, np.log(2))},
            "The score is 0.693147 at both quantiles, 0.2 and 0.8, so",
        ),
    ],
)
def test_cuts_that_would_let_the_sets_meet_are_refused(change, says):
    arguments = {"hsf": [0.1, 0.2, 1.0, 1.0, 1.0, 1.0], "score": np.arange(6.0), "harder": "high", **change}
    with pytest.raises(CurateError, match=says):
        gap_sets(**arguments)


# --- over a real table --------------------------------------------------------------------------------------------


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
    sets, gap = gap_sets(hsf, value, harder=harder, score_cuts=Cuts(0.2, 0.8))
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
