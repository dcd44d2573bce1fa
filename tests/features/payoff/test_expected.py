"""What accepting all suspects would do is told from folds that know nothing of the images that judge."""

import numpy as np
import pytest

from avhcurate.features.payoff import expected, rules
from avhcurate.measures.stats.folds import stratified_folds


def drawn(seed, n, noise, apart=2.0):
    """Features (n, 20), labels of three classes with some wrong, and the true ones."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(3, 20)) * apart
    truth = rng.integers(0, 3, n)
    x = (centres[truth] + 3 * rng.normal(size=(n, 20))).astype(np.float32)
    wrong = rng.random(n) < noise
    return x, np.where(wrong, (truth + rng.integers(1, 3, n)) % 3, truth), truth


def told(x, labels, action, share):
    groups = np.arange(len(x))
    (said,) = expected.expected_gains(x, labels, groups, action=action, share=share, num_classes=3, penalty=1.0)
    return said


def test_decisions_about_the_least_sure_images_are_made_and_no_others():
    probs = np.array([[0.9, 0.1, 0.0], [0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])
    labels = np.array([0, 0, 0])
    assert expected.labels_after(probs, labels, action="accept", number=2).tolist() == [0, 2, 1]
    assert expected.labels_after(probs, labels, action="exclude", number=1).tolist() == [0, -1, 0]
    assert expected.labels_after(probs, labels, action="accept", number=2, pair=(0, 2)).tolist() == [0, 2, 0]
    assert expected.labels_after(probs, labels, action="accept", number=2, pair=(2, 0)).tolist() == [0, 0, 0]


@pytest.mark.slow
def test_accepting_a_group_of_wrong_labels_helps_and_one_of_right_labels_hurts():
    x, labels, truth = drawn(3, 900, 0.0)
    confused = (truth == 0) & (np.random.default_rng(1).random(900) < 0.4)
    labels = np.where(confused, 1, labels)
    groups = np.arange(900)
    none, wrong, right = expected.expected_gains(
        x,
        labels,
        groups,
        action="accept",
        share=0.3,
        num_classes=3,
        penalty=1.0,
        pairs=[(2, 2), (1, 0), (0, 1)],
    )
    assert (none.gain, none.low, none.high) == (0, 0, 0)
    assert wrong.gain > 0.01
    assert right.gain < -0.01


def cross_fitted(x, labels, after, given):
    """The obvious way: heads before and after decisions that saw all images, on the folds of these."""
    of_sample = stratified_folds(labels, np.arange(len(x)), folds=5, seed=0)
    rows = np.zeros((len(x), 3), np.float32)
    for fold in range(5):
        learnt = of_sample != fold
        judge = x[~learnt], labels[~learnt]
        (found,) = rules.differences(x[learnt], labels[learnt], [after[learnt]], *judge, 3, 1.0)
        rows[~learnt] = found.by_class
    return rules.gain(rows, given, {}, []).gain


@pytest.mark.slow
@pytest.mark.parametrize("action", ["accept", "exclude"])
def test_what_is_told_beforehand_is_what_comes_and_the_obvious_way_flatters(action):
    off, flattered = [], []
    for seed in range(8):
        x, labels, own_truth = drawn(seed, 600, 0.3)
        probs = expected.out_of_fold(x, labels, np.arange(600), num_classes=3, penalty=1.0)
        after = expected.labels_after(probs, labels, action=action, number=120)
        other, _, truth = drawn(1000 + seed, 3000, 0.0)
        (difference,) = rules.differences(x, labels, [after], other, truth, 3, 1.0)
        came = difference.by_class[np.arange(3000), truth].mean()
        off.append(told(x, labels, action, 0.2).gain - came)
        flattered.append(cross_fitted(x, labels, after, own_truth) - came)
    assert abs(np.mean(off)) < 0.015
    assert np.mean(flattered) > 0.01  # even with the true labels as judges


def test_the_images_that_judge_are_unknown_to_what_is_decided(monkeypatch):
    x, labels, _ = drawn(0, 300, 0.2)
    seen = []
    decided = expected.labels_after

    def watched(probs, given, **how):
        seen.append(len(given))
        return decided(probs, given, **how)

    monkeypatch.setattr(expected, "labels_after", watched)
    told(x, labels, "accept", 0.1)
    assert seen == [240] * 5


def test_copies_of_an_image_share_a_fold():
    x, labels, _ = drawn(0, 100, 0.2)
    twice, both, groups = np.concatenate([x, x]), np.concatenate([labels, labels]), np.tile(np.arange(100), 2)
    (said,) = expected.expected_gains(twice, both, groups, action="accept", share=0.2, num_classes=3, penalty=1.0)
    assert isinstance(said, rules.Gain)
    assert said.gain < 0.02  # images that vouch for themselves would make it look good
