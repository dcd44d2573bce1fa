"""The order in which samples are asked about: what comes first, who is done, and that it does not jump about."""

import itertools

import numpy as np
import pytest

from avhcurate.annotate.task_pool import prediction_spread, queue_order, rank_spread
from avhcurate.errors import CurateError


def test_random_is_a_shuffle_that_stays_while_votes_come_in():
    votes = np.zeros(200, int)
    before = queue_order("random", votes, target=3, seed=4)
    votes[before[:50]] = 3
    after = queue_order("random", votes, target=3, seed=4)
    assert sorted(before.tolist()) == list(range(200))
    np.testing.assert_array_equal(after, before[50:])


def test_fewest_votes_come_first_and_ties_are_shuffled():
    votes = np.repeat([2, 0, 1], 30)
    order = queue_order("fewest", votes, seed=0)
    assert np.all(np.diff(votes[order]) >= 0)
    assert order[:30].tolist() != sorted(order[:30].tolist())


@pytest.mark.parametrize(("harder", "first"), [("high", 0.9), ("low", 0.1)])
def test_hardest_comes_first_by_either_end_of_a_score_and_unknown_last(harder, first):
    score = np.array([0.5, np.nan, 0.9, 0.1])
    order = queue_order("hardest", np.zeros(4), values=score, harder=harder)
    assert score[order[0]] == first
    assert np.isnan(score[order[-1]])


def test_the_target_leaves_out_who_is_done():
    assert queue_order("random", [5, 5, 4], target=5).tolist() == [2]
    assert queue_order("random", [5, 5], target=5).tolist() == []


def test_where_models_disagree_comes_first():
    predicted = np.array([[0, 1, 2, 0], [0, 1, 0, -1], [0, 2, 1, -1]])
    spread = prediction_spread(predicted)
    by_hand = [
        np.mean([a != b for a, b in itertools.combinations(column, 2)]) for column in predicted[:, :3].T.tolist()
    ]
    np.testing.assert_allclose(spread[:3], by_hand)
    assert np.isnan(spread[3])
    assert queue_order("disagreement", np.zeros(4), values=spread).tolist() == [2, 1, 0, 3]


def test_rank_spread_does_not_mind_the_scale_of_a_score():
    rng = np.random.default_rng(0)
    score = rng.random(50)
    np.testing.assert_allclose(rank_spread([score, np.exp(5 * score)]), 0, atol=1e-12)
    turned = score.copy()
    turned[[3, 8]] = turned[[8, 3]]
    spread = rank_spread([score, turned])
    assert set(np.flatnonzero(spread > 1e-9)) == {3, 8}
    assert np.isnan(rank_spread([[0.1, np.nan], [0.2, 0.3]])[1])


def test_what_a_queue_needs_is_said():
    with pytest.raises(CurateError, match="score the dataset"):
        queue_order("hardest", [0, 0])
    with pytest.raises(CurateError, match="choose one of"):
        queue_order("best", [0, 0])
    with pytest.raises(CurateError, match="one vote"):
        queue_order("random", [0], target=0)
