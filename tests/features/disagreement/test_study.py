"""Disagreement of arrays alone: who is in which set, how wide the gap is, and which cuts are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

import avhcurate
from avhcurate.errors import CurateError
from avhcurate.features.disagreement.study import Cuts

HSF = np.array([0.2, 0.1, 1.0, 0.9, 0.5, 0.2, np.nan, 1.0])
CONFIDENCE = np.array([0.93, 0.998, 0.001, 0.02, 0.5, 0.1, 0.9, np.nan])
BY_VALUE = (0.05, 0.9)


def sets_and_gap(hsf, score, **options):
    found = avhcurate.disagreement(hsf, score, **options)
    return found.sets, found.gap


def test_the_papers_nail_and_golf_ball_land_in_their_sets():
    found, gap = sets_and_gap(HSF, CONFIDENCE, harder="low", score_cuts=BY_VALUE)
    assert found.hard_for_humans.tolist() == [1, 0]
    assert found.hard_for_network.tolist() == [2, 3]
    assert found.samples == 6
    assert np.isnan(gap).nonzero()[0].tolist() == [6, 7], "without HSF or score"


def test_the_gap_is_the_difference_of_rank_shares():
    _found, gap = sets_and_gap([0.1, 0.5, 0.9], [0.2, 0.3, 0.1], harder="high", score_cuts=Cuts(0.1, 0.3))
    # Hardness shares for humans 5/6, 3/6, 1/6; for the network 3/6, 5/6, 1/6.
    assert gap == pytest.approx([1 / 3, -1 / 3, 0])


def test_a_score_and_its_negative_with_the_other_direction_say_the_same():
    rng = np.random.default_rng(0)
    hsf, score = rng.random(200), rng.random(200)
    for quantile in (False, True):
        one, gap = sets_and_gap(hsf, score, harder="high", score_cuts=Cuts(0.25, 0.75, quantile))
        cuts = Cuts(0.25, 0.75, True) if quantile else Cuts(-0.75, -0.25)
        other, same = sets_and_gap(hsf, -score, harder="low", score_cuts=cuts)
        assert one.hard_for_humans.tolist() == other.hard_for_humans.tolist()
        assert one.hard_for_network.tolist() == other.hard_for_network.tolist()
        assert gap == pytest.approx(same)


def test_quantile_cuts_become_attained_values_and_take_ties():
    hsf = np.array([0.1, 0.2, 0.2, 0.8, 1.0, 1.0, 1.0, 1.0])
    found, _ = sets_and_gap(hsf, np.arange(8), harder="low", hsf_cuts=Cuts(0.25, 0.9, True), score_cuts=Cuts(2, 6))
    assert found.hsf_cuts == (0.2, 1.0)
    assert found.hard_for_humans.tolist() == []
    assert found.hard_for_network.tolist() == []
    reverse, _gap = sets_and_gap(
        hsf, np.arange(8), harder="high", hsf_cuts=Cuts(0.25, 0.9, True), score_cuts=Cuts(2, 6)
    )
    assert reverse.hard_for_humans.tolist() == [0, 1, 2]
    assert reverse.hard_for_network.tolist() == [7, 6]


def test_sets_come_widest_gap_first():
    rng = np.random.default_rng(1)
    found, gap = sets_and_gap(rng.random(300), rng.random(300), harder="high")
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
        found, gap = sets_and_gap(hsf / 10, score / 6, harder=harder, hsf_cuts=cuts, score_cuts=Cuts(0.3, 0.7))
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
        avhcurate.disagreement(**arguments)


def test_gap_and_difficulty_are_shares_of_scipys_ranks_and_the_sets_the_fifths_by_numpy():
    rng = np.random.default_rng(2)
    hsf, score = rng.integers(0, 11, 500) / 10, rng.normal(size=500).round(1)
    hsf[:20] = score[10:40] = np.nan
    found = avhcurate.disagreement(hsf, score, harder="low")
    both = np.arange(500) >= 40
    difficulty = (rankdata(-score[both]) - 0.5) / 460
    assert found.difficulty[both] == pytest.approx(difficulty)
    assert found.gap[both] == pytest.approx((rankdata(-hsf[both]) - 0.5) / 460 - difficulty)
    assert np.isnan([found.gap[~both], found.difficulty[~both]]).all()
    in_order = np.sort(score[both])  # a low score is hard
    hard, easy = in_order[91], in_order[368]  # attained at 0.2 and 0.8 of 459 steps, outwards
    assert found.sets.score_cuts == (hard, easy)
    assert set(found.sets.hard_for_humans) == set(np.flatnonzero(both & (hsf <= 0.2) & (score >= easy)))
    assert set(found.sets.hard_for_network) == set(np.flatnonzero(both & (hsf >= 0.8) & (score <= hard)))
    assert found.sets.samples == 460


@pytest.mark.parametrize(
    "change", [{"score": [0.1, 0.2]}, {"hsf": np.ones((3, 1)), "score": np.ones((3, 1))}, {"hsf_cuts": (0.2,)}]
)
def test_arrays_that_do_not_fit_and_one_cut_are_refused(change):
    with pytest.raises(CurateError):
        avhcurate.disagreement(**{"hsf": [0.1, 0.5, 0.9], "score": [1, 2, 3], "harder": "high", **change})
