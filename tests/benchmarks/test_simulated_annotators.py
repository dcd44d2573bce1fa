"""The simulated annotators: what an observer sees and remembers, and how hard the digits are for it."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from avhcurate.datasets.sources.demo import simulated_votes
from avhcurate.errors import CurateError
from benchmarks.simulated_annotators import SimulatedAnnotators, digits_votes, simulate_answers

#: Eyes that see what is there, and a memory of everything.
PERFECT = SimulatedAnnotators(
    observers=5, common=99, memories=(99, 99), blur=(0, 0), noise=(0, 0), shift=0, lapse=(0, 0), seed=1
)


@pytest.fixture(scope="module")
def digits():
    pixels, labels = load_digits(return_X_y=True)
    return pixels.reshape(-1, 8, 8) / 16, labels


@pytest.fixture(scope="module")
def answers(digits):
    return simulate_answers(*digits)


def test_the_digits_come_with_the_votes_that_are_simulated():
    for name, votes in digits_votes().items():
        np.testing.assert_array_equal(simulated_votes(name), votes)


def test_no_observer_remembers_the_image_it_is_shown():
    """Twins with different labels: each image's own copy would be nearest, its twin is next."""
    rng = np.random.default_rng(0)
    first = rng.random((6, 4, 4))
    images = np.concatenate([first, first + 1e-6])
    labels = np.repeat([0, 1], 6)
    assert (simulate_answers(images, labels, PERFECT) == 1 - labels).all()


def test_an_observer_answers_with_the_nearest_image_it_remembers(digits):
    """Against plain leave-one-out nearest neighbours, written out."""
    images, labels = digits[0][:60], digits[1][:60]
    flat = images.reshape(60, -1)
    expected = []
    for i in range(60):
        distances = ((flat - flat[i]) ** 2).sum(axis=1)
        distances[i] = np.inf
        expected.append(labels[distances.argmin()])
    assert (simulate_answers(images, labels, PERFECT) == expected).all()


def test_a_shift_moves_the_image_and_keeps_its_light():
    from benchmarks.simulated_annotators import _shift

    image = np.zeros((1, 6, 6))
    image[0, 2, 2] = 1
    moved = _shift(image, np.array([[1.0], [-0.25]]))[0]
    expected = np.zeros((6, 6))
    expected[3, 2], expected[3, 1] = 0.75, 0.25
    np.testing.assert_allclose(moved, expected, atol=1e-12)


def test_the_seed_alone_decides_the_answers(digits, answers):
    assert np.array_equal(answers[:3], simulate_answers(*digits, SimulatedAnnotators(observers=3)))
    assert not np.array_equal(answers[:3], simulate_answers(*digits, SimulatedAnnotators(observers=3, seed=1)))


@pytest.mark.parametrize(
    ("images", "labels"),
    [(np.zeros((1, 8, 8)), [0]), (np.zeros((3, 64)), [0, 1, 2]), (np.zeros((3, 8, 8)), [0, 1])],
)
def test_what_no_annotator_can_judge_is_refused(images, labels):
    with pytest.raises(CurateError, match="at least two images"):
        simulate_answers(images, np.array(labels))
