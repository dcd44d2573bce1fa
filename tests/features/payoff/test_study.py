"""Payoff of arrays alone: decisions that mend labels helped, those that spoil them hurt, none changed nothing."""

import numpy as np
import pytest

import avhcurate
from avhcurate.errors import CurateError

N = 900


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    truth = np.arange(N) % 3
    features = np.eye(3, 12)[truth] + rng.normal(scale=0.45, size=(N, 12))
    locked = rng.random(N) < 0.4
    noisy = truth.copy()
    turned = ~locked & (rng.random(N) < 0.4)
    noisy[turned] = (truth[turned] + 1) % 3
    return features, truth, noisy, locked


def test_mending_helps_and_spoiling_hurts_as_much(images):
    features, truth, noisy, locked = images
    mended = avhcurate.payoff(features, noisy, truth, locked)
    spoilt = avhcurate.payoff(features, truth, noisy, locked)
    assert (mended.gain.verdict, spoilt.gain.verdict) == ("helped", "hurt")
    assert mended.gain.locked == locked.sum()
    assert mended.decisions == {"by_hand": int((truth != noisy).sum())}
    assert spoilt.gain.gain == pytest.approx(-mended.gain.gain, abs=0.02)


def test_nothing_decided_changes_nothing(images):
    features, truth, _, locked = images
    assert avhcurate.payoff(features, truth, truth, locked).gain.gain == 0


def test_checks_replace_the_given_labels_of_the_lock(images):
    features, truth, noisy, locked = images
    given = np.where(locked, (truth + 1) % 3, truth)  # every locked label is wrong
    found = avhcurate.payoff(features, noisy, truth, locked, given=given)
    seen = {row: int(truth[row]) for row in found.unchecked[:200]}
    checked = avhcurate.payoff(features, noisy, truth, locked, given=given, checks=seen)
    assert found.gain.gain < 0 < checked.gain.gain
    assert checked.gain.checked > 0


def test_a_class_without_a_locked_image_is_refused(images):
    features, truth, noisy, locked = images
    with pytest.raises(CurateError, match="No image of 2 is locked"):
        avhcurate.payoff(features, noisy, truth, locked & (truth != 2))
    with pytest.raises(CurateError, match="one class"):
        avhcurate.payoff(features, np.zeros(N, int), np.zeros(N, int), locked)
