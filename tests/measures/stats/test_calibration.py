"""ECE and reliability against an independent count, planted miscalibration, and the part of chance."""

import numpy as np
import pytest

from avhcurate.measures.stats.calibration import calibrate


def drawn(n, shift, seed=0):
    """Confidences, and answers that are right `shift` less often than these say."""
    rng = np.random.default_rng(seed)
    confidence = 0.3 + 0.7 * rng.beta(3, 1, n)
    return confidence, rng.random(n) < confidence - shift


def test_equal_mass_cuts_the_sorted_samples_into_equal_parts():
    confidence, correct = drawn(300, 0.1)
    found = calibrate(confidence, correct, bins=10)
    order = np.argsort(confidence)
    parts = np.split(order, 10)
    expected = sum(abs(correct[part].mean() - confidence[part].mean()) for part in parts) / 10
    # The first part also holds the smallest value, which is its lower edge.
    assert found.ece == pytest.approx(expected)
    assert found.bins["n"].tolist() == [30] * 10


def test_a_planted_overconfidence_lies_in_its_interval_and_above_chance():
    confidence, correct = drawn(4000, 0.15)
    found = calibrate(confidence, correct)
    assert found.low < 0.15 < found.high
    assert found.ece > found.chance


def test_the_interval_is_that_of_drawn_resamples():
    """The bins' sums drawn as normal, against resampling the samples themselves in the same bins."""
    confidence, correct = drawn(2000, 0.12)
    found, rng = calibrate(confidence, correct), np.random.default_rng(1)
    index = np.searchsorted(found.bins["high"][:-1], confidence)
    draws = []
    for _ in range(400):
        rows = rng.integers(2000, size=2000)
        draws.append(np.abs(np.bincount(index[rows], (correct - confidence)[rows], 15)).sum() / 2000)
    low, high = 2 * found.ece - np.quantile(draws, [0.975, 0.025])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)


def test_extremes():
    sure = calibrate(np.ones(50), np.ones(50, bool))
    assert (sure.ece, sure.low, sure.high, sure.chance) == (0, 0, 0, 0)
    assert np.isnan(calibrate([], []).ece)
