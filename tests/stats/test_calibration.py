"""ECE and reliability against a slow independent count, planted miscalibration, and what chance alone does."""

from itertools import pairwise

import numpy as np
import pytest

from avhcurate.stats.calibration import calibrate


def slow_ece(confidence, correct, edges):
    """By the definition, one sample and bin at a time; a bin holds its upper edge, the first its lower too."""
    total = 0.0
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = [i for i, p in enumerate(confidence) if low < p <= high or (number == 0 and p == low)]
        if inside:
            gap = sum(correct[i] for i in inside) / len(inside) - sum(confidence[i] for i in inside) / len(inside)
            total += abs(gap) * len(inside) / len(confidence)
    return total


def drawn(n, shift, seed=0):
    """Confidences, and answers that are right `shift` less often than these say."""
    rng = np.random.default_rng(seed)
    confidence = 0.3 + 0.7 * rng.beta(3, 1, n)
    return confidence, rng.random(n) < confidence - shift


def test_a_hand_example_of_four_bins():
    # Bins (0, .25], (.25, .5], (.5, .75], (.75, 1]: gaps |1 - .2|, |0 - .4|, none, |1/2 - .9| of 1, 1, 0 and 2 samples.
    found = calibrate([0.2, 0.4, 0.8, 1.0], [1, 0, 1, 0], binning="width", bins=4)
    assert found.ece == pytest.approx((0.8 + 0.4 + 2 * 0.4) / 4)
    assert found.bins[["low", "high", "n"]].to_numpy().tolist() == [[0, 0.25, 1], [0.25, 0.5, 1], [0.75, 1, 2]]
    assert found.bins["accuracy"].tolist() == [1, 0, 0.5]


def test_equal_width_agrees_with_a_slow_count():
    confidence, correct = drawn(400, 0.1)
    confidence[:5] = [0.2, 0.4, 0.6, 1.0, 0.4]  # on edges
    assert calibrate(confidence, correct, binning="width").ece == pytest.approx(
        slow_ece(confidence.tolist(), correct.tolist(), [i / 15 for i in range(16)])
    )


def test_equal_mass_cuts_the_sorted_samples_into_equal_parts():
    confidence, correct = drawn(300, 0.1)
    found = calibrate(confidence, correct, bins=10)
    order = np.argsort(confidence)
    parts = np.split(order, 10)
    expected = sum(abs(correct[part].mean() - confidence[part].mean()) for part in parts) / 10
    # The first part also holds the smallest value, which is its lower edge.
    assert found.ece == pytest.approx(expected)
    assert found.bins["n"].tolist() == [30] * 10


def test_ties_stay_in_one_bin_whatever_their_order():
    confidence, correct = np.array([1.0] * 90 + [0.5] * 10), np.arange(100) % 3 > 0
    shuffled = np.random.default_rng(0).permutation(100)
    one, other = calibrate(confidence, correct), calibrate(confidence[shuffled], correct[shuffled])
    assert one.ece == pytest.approx(other.ece)
    assert one.bins["n"].sum() == 100
    assert len(one.bins) <= 2


@pytest.mark.parametrize("binning", ["mass", "width"])
def test_a_planted_overconfidence_lies_in_its_interval_and_above_chance(binning):
    confidence, correct = drawn(4000, 0.15)
    found = calibrate(confidence, correct, binning=binning)
    assert found.low < 0.15 < found.high
    assert found.ece > found.chance


@pytest.mark.parametrize("binning", ["mass", "width"])
def test_calibrated_networks_are_not_called_miscalibrated(binning):
    found = [calibrate(*drawn(500, 0.0, seed), binning=binning, seed=seed) for seed in range(40)]
    assert np.mean([one.ece for one in found]) > 0.02  # ECE itself is above 0 by chance alone
    assert np.mean([one.low == 0 for one in found]) > 0.9
    assert np.mean([one.ece <= one.chance for one in found]) > 0.9


def test_the_interval_is_that_of_drawn_resamples():
    """The bins' sums drawn as normal, against resampling the samples themselves in the same bins."""
    confidence, correct = drawn(2000, 0.12)
    found = calibrate(confidence, correct, binning="width")
    index, rng = np.minimum((np.ceil(confidence * 15) - 1).astype(int), 14), np.random.default_rng(1)
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
