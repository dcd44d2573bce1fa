"""Where models disagree: shares of pairs, and ranks on any scale."""

import itertools

import numpy as np

from avhcurate.annotate.task_pool import prediction_spread, rank_spread


def test_models_disagree_by_the_share_of_pairs_that_differ():
    predicted = np.array([[0, 1, 2, 0], [0, 1, 0, -1], [0, 2, 1, -1]])
    spread = prediction_spread(predicted)
    by_hand = [
        np.mean([a != b for a, b in itertools.combinations(column, 2)]) for column in predicted[:, :3].T.tolist()
    ]
    np.testing.assert_allclose(spread[:3], by_hand)
    assert np.isnan(spread[3])


def test_rank_spread_does_not_depend_on_the_scale_of_a_score():
    rng = np.random.default_rng(0)
    score = rng.random(50)
    np.testing.assert_allclose(rank_spread([score, np.exp(5 * score)]), 0, atol=1e-12)
    turned = score.copy()
    turned[[3, 8]] = turned[[8, 3]]
    spread = rank_spread([score, turned])
    assert set(np.flatnonzero(spread > 1e-9)) == {3, 8}
    assert np.isnan(rank_spread([[0.1, np.nan], [0.2, 0.3]])[1])
