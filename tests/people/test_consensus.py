"""Consensus of people and a network: simulated people whose errors are known."""

import numpy as np
import pytest

from avhcurate.errors import CurateError
from avhcurate.people.consensus import consensus
from avhcurate.workspace.data.consensus import BOTH, NETWORK, PEOPLE

CLASSES = 4


def people(truth: np.ndarray, skills: list[float], rng: np.random.Generator) -> np.ndarray:
    """Return the answers (n, people) of people who are right that often, and else guess another class."""
    wrong = (truth[:, None] + rng.integers(1, CLASSES, (len(truth), len(skills)))) % CLASSES
    return np.where(rng.random(wrong.shape) < skills, truth[:, None], wrong)


def flat(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = np.indices(answers.shape)
    return rows.ravel(), columns.ravel(), answers.ravel()


def network(truth: np.ndarray, right: float, rng: np.random.Generator) -> np.ndarray:
    predicted = np.where(
        rng.random(len(truth)) < right, truth, (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    )
    return np.full((len(truth), CLASSES), 0.1 / 3) + (0.9 - 0.1 / 3) * np.eye(CLASSES)[predicted]


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(0).integers(CLASSES, size=400)


def test_two_who_are_good_outweigh_three_who_are_not(truth):
    answers = people(truth, [0.97, 0.95, 0.5, 0.5, 0.5], np.random.default_rng(1))
    found = consensus(*flat(answers), num_classes=CLASSES)
    majority = np.eye(CLASSES)[answers].sum(axis=1).argmax(axis=1)
    assert (found.labels == truth).mean() > (majority == truth).mean() + 0.02
    assert np.abs(found.skill - [0.97, 0.95, 0.5, 0.5, 0.5]).max() < 0.08


def test_a_network_takes_wrong_labels_away_and_says_where(truth):
    rng = np.random.default_rng(2)
    answers = people(truth, [0.98, 0.9, 0.7], rng)
    probs = network(truth, 0.9, rng)
    alone = consensus(*flat(answers), num_classes=CLASSES)
    both = consensus(*flat(answers), probs, num_classes=CLASSES)
    assert (both.labels != truth).sum() < 0.6 * (alone.labels != truth).sum()
    assert set(alone.of) == {PEOPLE}
    counts = np.eye(CLASSES)[answers].sum(axis=1)
    outvoted = counts[np.arange(len(truth)), both.labels] < counts.max(axis=1)
    same = probs.argmax(axis=1) == both.labels
    assert np.array_equal(both.of == NETWORK, outvoted & same)
    assert np.array_equal(both.of == BOTH, ~outvoted & same)


def test_a_network_that_guesses_is_found_out(truth):
    rng = np.random.default_rng(3)
    answers = people(truth, [0.95, 0.9, 0.9], rng)
    alone = consensus(*flat(answers), num_classes=CLASSES)
    both = consensus(*flat(answers), network(truth, 1 / CLASSES, rng), num_classes=CLASSES)
    assert (both.labels == truth).mean() >= (alone.labels == truth).mean() - 0.005


def test_probabilities_are_as_often_right_as_they_say(truth):
    many = np.tile(truth, 10)
    rng = np.random.default_rng(4)
    answers = people(many, [0.9, 0.8, 0.7], rng)
    found = consensus(*flat(answers), network(many, 0.8, rng), num_classes=CLASSES)
    assert found.probs.sum(axis=1) == pytest.approx(1)
    assert found.probs.max(axis=1).mean() == pytest.approx((found.labels == many).mean(), abs=0.015)


def test_images_that_the_network_has_not_seen_are_left_to_people(truth):
    rng = np.random.default_rng(5)
    answers = people(truth, [0.9, 0.8], rng)
    probs = network(truth, 0.9, rng)
    probs[::2] = np.nan
    found = consensus(*flat(answers), probs, num_classes=CLASSES)
    assert set(found.of[::2]) == {PEOPLE}
    right = found.labels == truth
    assert right[1::2].mean() > right[::2].mean()


def test_what_does_not_fit_is_refused():
    with pytest.raises(CurateError, match="answered"):
        consensus([], [], [], num_classes=2)
    with pytest.raises(CurateError, match="one class"):
        consensus([0], [0], [0], num_classes=1)
    with pytest.raises(CurateError, match="no answer"):
        consensus([0, 2], [0, 0], [1, 1], num_classes=2)
    with pytest.raises(CurateError, match="shape"):
        consensus([0], [0], [1], np.ones((2, 2)), num_classes=2)


def test_where_all_guess_or_all_disagree_numbers_stay_finite(recwarn):
    rng = np.random.default_rng(6)
    for answers in (rng.integers(CLASSES, size=(80, 3)), np.tile([0, 1, 2], (20, 1)), np.zeros((1, 1), int)):
        found = consensus(*flat(answers), num_classes=CLASSES)
        assert np.isfinite(found.probs).all()
        assert found.probs.sum(axis=1) == pytest.approx(1)
    assert not recwarn.list
