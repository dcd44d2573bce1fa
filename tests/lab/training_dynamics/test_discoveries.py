"""Discoveries 1 to 3 on planted curves and models: what holds, what does not, and what is too little data."""

import numpy as np
import pytest

from avhcurate.lab.training_dynamics.discoveries import (
    TrainingCurves,
    lower_where_better,
    norm_increases,
    settles_early,
    way,
)
from tests.features.compare.test_discoveries import HSF, model

EPOCHS = np.array([0, 0.25, 0.5, 0.75, *range(1, 41)], float)


def falling(at, start=1.0, end=0.2):
    """An exponential that has made 95 % of its way at epoch `at`."""
    return end + (start - end) * np.exp(np.log(0.05) * EPOCHS / at)


def course(*, avh=4.0, accuracy=15.0, loss=15.0, norm=None, samples=2000, noise=0.02, seed=0, shown=None):
    """A training whose curves settle at these epochs, with noise of samples and of evaluations."""
    rng = np.random.default_rng(seed)
    curves = {
        "avh": falling(avh, 0.1, 0.05),
        "accuracy": 1 - falling(accuracy, 0.9, 0.1),
        "loss": falling(loss, 2.3, 0.3),
        "norm": norm if norm is not None else 5 + EPOCHS / 10,
    }
    parts = {}
    for key, curve in curves.items():
        shaken = curve * (1 + noise * rng.normal(size=len(EPOCHS)))
        of_part = rng.normal(size=64) * 0.1 * curve.std() / np.sqrt(samples / 64)
        parts[key] = (shaken[:, None] + of_part)[:shown]
    return TrainingCurves("a", EPOCHS[:shown], parts, samples, 40.0)


def settled(values, *, falls=True):
    found = way(EPOCHS[: len(values)], values, falls=falls)
    return np.nan if found is None else found.settled()


@pytest.mark.parametrize("at", [2.0, 5.0, 12.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_smooth_curve_settles_where_it_was_planted(at, sign):
    assert settled(sign * falling(at), falls=sign > 0) == pytest.approx(at, abs=0.6)


def test_one_lucky_evaluation_does_not_settle_a_curve_and_a_turn_ends_it():
    lucky = falling(8)
    lucky[6] = 0.2  # at epoch 3, as low as the end
    assert settled(lucky) > 5
    turned = falling(5)
    turned[20:] += np.linspace(0, 0.6, len(turned) - 20)
    assert settled(turned) == pytest.approx(5, abs=1)
    assert all(np.isnan(settled(curve)) for curve in (EPOCHS, np.ones(len(EPOCHS)), falling(1)[:4]))


@pytest.mark.parametrize(
    ("trainings", "verdict"),
    [
        ([course()], "holds"),
        ([course(seed=seed) for seed in (1, 2)], "holds"),
        ([course(accuracy=3.0, loss=3.0)], "does not hold"),
        ([course(), course(accuracy=3.0, loss=3.0)], "does not hold"),
        ([course(shown=20)], "too little data"),  # not finished
        ([course(samples=90)], "too little data"),
        ([], "too little data"),
    ],
)
def test_avh_settles_early(trainings, verdict):
    found = settles_early(trainings)
    assert found.verdict == verdict
    assert bool(found.figures) != bool(found.missing)


@pytest.mark.parametrize(
    ("norm", "verdict"),
    [
        (5 + EPOCHS / 10, "holds"),
        (9 - EPOCHS / 10, "does not hold"),
        (np.full(len(EPOCHS), 5.0), "too little data"),
        (5 + (EPOCHS > 20), "too little data"),  # one leap may be a walk
        (5 - 3 * np.exp(-EPOCHS / 5), "too little data"),  # flat from half-way on
        (5 + np.log1p(EPOCHS), "holds"),
    ],
)
def test_the_norm_keeps_increasing(norm, verdict):
    assert norm_increases([course(norm=norm, noise=0.001)]).verdict == verdict


@pytest.mark.parametrize("smooth", [0.0, 0.8])
def test_a_walk_is_rarely_taken_for_growth(smooth):
    """Also one whose steps are alike: without their correlation 23 % of such walks held."""
    rng, held = np.random.default_rng(0), []
    for _ in range(150):
        steps = rng.normal(size=EPOCHS.size - 1)
        for at in range(1, len(steps)):
            steps[at] += smooth * steps[at - 1]
        walk = 100 + np.r_[0, np.cumsum(steps * np.sqrt(np.diff(EPOCHS)))]
        held.append(norm_increases([course(norm=walk, noise=0)]).verdict == "holds")
    assert np.mean(held) < 0.07


BINS = (HSF > 0.5).astype(int)


@pytest.mark.parametrize(
    ("models", "verdict"),
    [
        ([model("a", accuracy=0.9, avh=0.05), model("b", seed=1)], "holds"),
        ([model("a", accuracy=0.9, avh=0.15), model("b", seed=1)], "does not hold"),
        ([model("a", accuracy=0.9), model("b", seed=1)], "too little data"),
        ([model("a"), model("b", avh=0.05, seed=1)], "too little data"),  # equally accurate
        ([model("a")], "too little data"),
    ],
)
def test_better_models_have_lower_avh(models, verdict):
    assert lower_where_better(models, BINS, ("low", "high")).verdict == verdict
