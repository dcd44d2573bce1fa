"""Angles to class prototypes, each sample left out of its own, against the plain loop."""

import numpy as np
import pytest
import torch

from avhcurate import scores
from avhcurate.errors import CurateError

KINDS = [np.asarray, torch.from_numpy]


def problem(n=60, k=4, d=9, seed=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return (rng.normal(size=(n, d)) + 2 * np.eye(d)[labels]).astype(np.float32), labels


def by_hand(features, labels, k):
    """One sample at a time, its prototypes made without it."""
    x, theta = features.astype(np.float64), np.full((len(features), k), np.nan)
    for row in range(len(x)):
        for label in range(k):
            members = [other for other in range(len(x)) if labels[other] == label and other != row]
            if members:
                mean = x[members].mean(axis=0)
                cosine = x[row] @ mean / np.linalg.norm(x[row]) / np.linalg.norm(mean)
                theta[row, label] = np.arccos(np.clip(cosine, -1, 1))
    return theta


@pytest.mark.parametrize("kind", KINDS)
def test_prototypes_are_made_without_the_sample(kind):
    features, labels = problem()
    labels[5] = -1  # left out of no prototype
    theta = by_hand(features, labels, 4)
    np.testing.assert_allclose(np.asarray(scores.prototype_angles(kind(features), kind(labels), 4)), theta, atol=1e-7)
    totals = scores.class_sums(kind(features), kind(labels), 4)
    got = scores.per_sample(kind(features), None, None, kind(labels), prototypes=totals, block_size=7)
    got = {key: np.asarray(value) for key, value in got.items()}
    has, rows = labels >= 0, np.arange(60)
    own, others = theta[rows, labels], theta.copy()
    others[rows[has], labels[has]] = np.inf
    np.testing.assert_array_equal(got["predicted"], theta.argmin(1))
    for key, expected in {
        "prototype_angle": own,
        "prototype_hardness": own / theta.sum(1),
        "prototype_gap": own - others.min(1),
    }.items():
        np.testing.assert_allclose(got[key][has], expected[has], atol=1e-7, err_msg=key)
        assert np.isnan(got[key][~has]).all()
    closeness = np.pi - theta
    np.testing.assert_allclose(got["prototype_confidence"], closeness.max(1) / closeness.sum(1), atol=1e-7)
    assert set(got) == {"predicted", "norm", *(k for k, score in scores.SCORES.items() if score.needs == "prototypes")}


def test_a_class_of_one_sample_has_no_prototype_for_it_and_an_empty_class_none_at_all():
    features, labels = problem(n=20, k=3)
    labels[:] = np.where(np.arange(20) == 7, 2, labels % 2)
    totals = scores.class_sums(features, labels, 4)
    got = scores.per_sample(features, labels=labels, prototypes=totals)
    assert np.isnan(got["prototype_hardness"][7])
    assert np.isfinite(np.delete(got["prototype_hardness"], 7)).all()
    assert np.isfinite(got["prototype_confidence"]).all()
    assert got["predicted"].max() <= 2
    alone = scores.per_sample(features[:1], labels=labels[7:8], prototypes=scores.class_sums(features[:1], [2], 3))
    assert alone["predicted"].tolist() == [-1]
    assert np.isnan(alone["prototype_confidence"]).all()


def test_what_is_at_hand_decides_which_scores_there_are():
    features, labels = problem()
    logits = np.random.default_rng(0).normal(size=(60, 4))
    of_logits = {key for key, score in scores.SCORES.items() if score.needs == "logits"}
    assert set(scores.per_sample(None, None, logits, labels)) == {"predicted", *of_logits}
    alone = scores.per_sample(features)
    assert set(alone) == {"predicted", "norm"}
    assert (alone["predicted"] == -1).all()
    with pytest.raises(CurateError, match="Unknown score avh"):
        scores.per_sample(features, None, logits, labels, keys=["avh"])
    with pytest.raises(CurateError, match="features, logits or both"):
        scores.per_sample(None)
    with pytest.raises(CurateError, match="Give features too"):
        scores.per_sample(None, np.eye(4), logits)
