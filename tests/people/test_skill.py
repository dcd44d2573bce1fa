"""Who errs: simulated people, whose accuracy is known."""

import numpy as np
import pytest

from avhcurate.people.skill import accuracy_by_others
from tests.people.test_consensus import CLASSES, flat, people

DRAWS = 20


@pytest.mark.slow
def test_a_poor_labeler_among_three_is_named_after_100_answers_and_a_good_one_never():
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        truth = rng.integers(CLASSES, size=100)
        rows = accuracy_by_others(*flat(people(truth, [0.98, 0.9, 0.7], rng)), num_classes=CLASSES)
        assert rows["errs"].tolist() == [False, False, True], seed


@pytest.mark.slow
def test_of_three_good_ones_none_is_named():
    for seed in range(DRAWS):
        rng = np.random.default_rng(100 + seed)
        truth = rng.integers(CLASSES, size=100)
        rows = accuracy_by_others(*flat(people(truth, [0.95, 0.95, 0.93], rng)), num_classes=CLASSES)
        assert not rows["errs"].any(), seed


def test_accuracy_is_that_of_the_truth_and_the_class_is_told():
    rng = np.random.default_rng(0)
    truth = rng.integers(CLASSES, size=900)
    answers = people(truth, [0.97, 0.96, 0.95], rng)
    answers[(truth == 2) & (rng.random(len(truth)) < 0.6), 2] = 3
    rows = accuracy_by_others(*flat(answers), num_classes=CLASSES).set_index("annotator")
    right = (answers == truth[:, None]).mean(axis=0)
    assert rows["accuracy"].to_numpy() == pytest.approx(right, abs=0.03)
    assert ((rows["accuracy_low"] <= right) & (right <= rows["accuracy_high"])).all()
    assert rows["confuses"][2] == (2, 3)


def test_alone_nobody_is_judged():
    rows = accuracy_by_others([0, 1, 2], [7, 7, 7], [0, 1, 0], num_classes=2)
    assert rows["annotator"].tolist() == [7]
    assert rows["judged"].tolist() == [0]
    assert rows["accuracy"].isna().all()
    assert not rows["errs"].any()
