"""Where models disagree: shares of pairs of models."""

import itertools

import numpy as np

from avhcurate.features.annotate.task_pool import prediction_spread


def test_models_disagree_by_the_share_of_pairs_that_differ():
    predicted = np.array([[0, 1, 2, 0], [0, 1, 0, -1], [0, 2, 1, -1]])
    spread = prediction_spread(predicted)
    by_hand = [
        np.mean([a != b for a, b in itertools.combinations(column, 2)]) for column in predicted[:, :3].T.tolist()
    ]
    np.testing.assert_allclose(spread[:3], by_hand)
    assert np.isnan(spread[3])
