"""The findings on the discoveries: planted curves and models for each verdict, with noise, chance and missing data."""

import numpy as np
import pytest

from avhcurate.training_dynamics.discoveries import (
    Model,
    NotJudged,
    TrainingCurves,
    avh_follows_hsf,
    lower_where_better,
    norm_increases,
    norm_is_inconsistent,
    settled,
    settles_early,
)

EPOCHS = np.array([0, 0.25, 0.5, 0.75, *range(1, 41)], float)
LABELS = ("[0, 0.5)", "[0.5, 1]")


def falling(at, start=1.0, end=0.2, epochs=EPOCHS):
    """An exponential that has made 95 % of its way at epoch `at`."""
    return end + (start - end) * np.exp(np.log(0.05) * epochs / at)


def course(name="a", *, avh=4.0, accuracy=15.0, loss=15.0, norm=None, samples=2000, noise=0.0, seed=0, epochs=EPOCHS):
    """A planted training: when each curve has settled, the norm's curve, chance of samples, noise of evaluations."""
    rng = np.random.default_rng(seed)
    curves = {
        "avh": falling(avh, 0.1, 0.05, epochs),
        "accuracy": 1 - falling(accuracy, 0.9, 0.1, epochs),
        "loss": falling(loss, 2.3, 0.3, epochs),
        "norm": 5 + epochs / 10 if norm is None else norm,
    }
    spread = {"avh": 0.02, "accuracy": 0.3, "loss": 0.5, "norm": 1.0}
    sizes = np.bincount(np.arange(samples) % 64)
    parts = {}
    for key, curve in curves.items():
        of_part = rng.normal(size=(1, len(sizes))) * spread[key] / np.sqrt(sizes)
        shaken = curve * (1 + noise * rng.normal(size=len(epochs)))
        parts[key] = shaken[:, None] + of_part * np.linspace(0, 1, len(epochs))[:, None]
    change = rng.normal(parts["norm"][-1].mean() - parts["norm"][min(5, len(epochs) - 1)].mean(), 1.0, samples)
    return TrainingCurves(name, epochs, parts, sizes, 40.0, change)


# --- when a curve has settled --------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [2.0, 5.0, 12.0])
@pytest.mark.parametrize("falls", [True, False])
def test_a_smooth_curve_settles_where_it_was_planted(at, falls):
    values = falling(at) if falls else -falling(at)
    assert settled(EPOCHS, values, falls=falls) == pytest.approx(at, abs=0.6)


def test_noise_from_look_to_look_moves_it_little_and_one_lucky_evaluation_not_at_all():
    rng = np.random.default_rng(0)
    found = [settled(EPOCHS, falling(8) * (1 + 0.05 * rng.normal(size=len(EPOCHS))), falls=True) for _ in range(50)]
    assert abs(np.median(found) - 8) < 2
    lucky = falling(8)
    lucky[6] = 0.2  # at epoch 3, as low as the end
    assert settled(EPOCHS, lucky, falls=True) > 5


def test_a_loss_that_rises_again_is_read_to_its_lowest_part():
    values = falling(5)
    values[20:] += np.linspace(0, 0.6, len(values) - 20)
    assert settled(EPOCHS, values, falls=True) == pytest.approx(5, abs=1)


def test_a_curve_that_goes_the_other_way_or_is_too_short_has_not_settled():
    assert np.isnan(settled(EPOCHS, EPOCHS, falls=True))
    assert np.isnan(settled(EPOCHS, np.ones(len(EPOCHS)), falls=True))
    assert np.isnan(settled(EPOCHS[:4], falling(1)[:4], falls=True))


# --- 1 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_avh_that_settles_early_is_found_with_noise_too(noise):
    found = settles_early([course(avh=4, accuracy=15, loss=18, noise=noise)])
    assert (found.discovery, found.verdict) == (1, "holds")
    ratio = found.figure("settling ratio", "a")
    assert ratio.low <= ratio.value <= ratio.high < 0.8
    assert found.figure("avh settled", "a").value == pytest.approx(4, abs=1.5)


@pytest.mark.parametrize(("avh", "accuracy", "loss"), [(15, 4, 4), (10, 10, 10), (9, 10, 20), (5, 30, 4)])
def test_avh_that_settles_with_or_after_either_of_the_others_does_not_hold(avh, accuracy, loss):
    found = settles_early([course(avh=avh, accuracy=accuracy, loss=loss)])
    assert found.verdict == "does not hold"


def test_it_must_hold_in_every_training_and_says_in_how_many():
    found = settles_early([course("a"), course("b", avh=20)])
    assert found.verdict == "does not hold"
    assert found.holding == {"a": True, "b": False}


@pytest.mark.parametrize(
    ("training", "why"),
    [
        (course(samples=80), NotJudged("few samples", 80, "a")),
        (course(epochs=EPOCHS[:5]), NotJudged("few evaluations", 5, "a")),
        (course(epochs=EPOCHS[:20]), NotJudged("not finished", name="a")),
        (course(epochs=EPOCHS[4:]), NotJudged("no evaluation before training", name="a")),
        (course(loss=1e9), NotJudged("no clear change", name="a")),
    ],
)
def test_too_little_is_said_with_its_reason(training, why):
    found = settles_early([training])
    assert found.verdict == "too little data"
    assert found.not_judged == [why]
    assert settles_early([]).verdict == "too little data"
    both = settles_early([training, course("b")])
    assert both.verdict == "holds"
    assert both.not_judged == [why]


# --- 3 -------------------------------------------------------------------------------------------------------


def test_a_norm_that_fluctuates_and_then_grows_keeps_increasing():
    norm = np.where(EPOCHS < 4, 5 + np.sin(5 * EPOCHS), 5 + EPOCHS / 10)
    assert norm_increases([course(norm=norm, noise=0.005)]).verdict == "holds"


@pytest.mark.parametrize(
    "norm", [9 - EPOCHS / 10, 5 + np.sin(EPOCHS), np.where(EPOCHS < 15, 5 + EPOCHS / 10, 6.5 - (EPOCHS - 15) / 20)]
)
def test_a_norm_that_falls_wavers_or_turns_does_not(norm):
    found = norm_increases([course(norm=norm, noise=0.005)])
    assert (found.discovery, found.verdict) == (3, "does not hold")


def test_a_mean_that_few_samples_raise_does_not_count():
    training = course()
    few = TrainingCurves(
        "a", EPOCHS, training.parts, training.sizes, 40.0, np.r_[np.full(900, 10.0), np.full(1100, -0.1)]
    )
    found = norm_increases([few])
    assert found.verdict == "does not hold"
    assert found.figure("norm rises", "a").value == pytest.approx(0.45)


def test_few_evaluations_after_the_warm_up_are_too_little():
    assert norm_increases([course(epochs=EPOCHS[:9])]).verdict == "too little data"
    found = norm_increases([course(epochs=np.append(EPOCHS[:4], [2.0, 3.0, 5.0]))])
    assert found.not_judged == [NotJudged("few evaluations after the warm-up", 1, "a")]


# --- 2, 4, 5 -------------------------------------------------------------------------------------------------


def model(name, accuracy, *, avh=0.05, follows=-0.5, norm_follows=0.0, n=3000, seed=0):
    """A planted network: mean AVH in the easy and hard half, and how closely AVH and norm follow HSF."""
    rng = np.random.default_rng(seed)
    hsf = HSF[:n]
    means = np.where(hsf < 0.5, *avh) if isinstance(avh, tuple) else avh
    shared = (hsf - 0.5) * np.sqrt(12)
    values = means + 0.01 * (follows * shared + rng.normal(size=n))
    norm = 10 + norm_follows * shared + rng.normal(size=n)
    return Model(name, rng.random(n) < accuracy, values, norm)


HSF = np.random.default_rng(9).random(3000)
BINS = (HSF >= 0.5).astype(int)


def test_better_models_with_lower_avh_in_every_bin_hold():
    found = lower_where_better([model("good", 0.95, avh=0.04), model("bad", 0.8, avh=0.06, seed=1)], BINS, LABELS)
    assert (found.discovery, found.verdict) == (2, "holds")
    assert found.figure("comparisons").value == found.figure("lower").value == 2


def test_one_bin_in_which_the_better_has_clearly_higher_avh_refutes_it():
    models = [model("good", 0.95, avh=(0.08, 0.04)), model("bad", 0.8, avh=0.06, seed=1)]
    found = lower_where_better(models, BINS, LABELS)
    assert found.verdict == "does not hold"
    assert found.exception == ("good", "bad", "[0, 0.5)")


def test_a_difference_within_chance_refutes_nothing():
    good, bad = model("good", 0.95, avh=0.05), model("bad", 0.8, avh=0.05, seed=1)
    raised = bad.avh + np.where(BINS == 0, -1e-5 - (bad.avh - good.avh)[BINS == 0].mean(), 0.01)
    near = Model("bad", bad.correct, raised, bad.norm)
    assert lower_where_better([good, near], BINS, LABELS).verdict == "too little data"


@pytest.mark.parametrize(
    ("models", "index", "why"),
    [
        ([model("a", 0.9)], BINS, NotJudged("few models", 1)),
        ([model("a", 0.9), model("b", 0.9, seed=1)], BINS, NotJudged("no clear pair", 2)),
        ([model("a", 0.9), model("b", 0.7, seed=1)], np.where(np.arange(3000) < 20, 0, -1), NotJudged("few bins")),
    ],
)
def test_without_models_differences_or_bins_there_is_too_little(models, index, why):
    found = lower_where_better(models, index, LABELS)
    assert found.verdict == "too little data"
    assert found.not_judged == [why]


def test_avh_that_follows_hsf_in_every_model_holds_and_one_exception_refutes_it():
    follows = [model("a", 0.9), model("b", 0.8, follows=-0.2, seed=1)]
    found = avh_follows_hsf(follows, HSF)
    assert (found.discovery, found.verdict) == (4, "holds")
    assert found.figures[0].n == 3000
    assert found.figure("spearman", "a").value == pytest.approx(-0.43, abs=0.06)
    for odd in (0.0, 0.4):
        found = avh_follows_hsf([*follows, model("c", 0.9, follows=odd, seed=2)], HSF)
        assert found.verdict == "does not hold"
        assert [one.high < 0 for one in found.figures] == [True, True, False]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (0.4, -0.4, "holds"),
        (0.4, 0.0, "holds"),
        (0.0, 0.0, "holds"),
        (0.4, 0.2, "does not hold"),
        (-0.3, -0.3, "does not hold"),
    ],
)
def test_the_norm_is_inconsistent_unless_every_model_has_the_same_sign(first, second, verdict):
    models = [model("a", 0.9, norm_follows=first, seed=5), model("b", 0.9, norm_follows=second, seed=6)]
    found = norm_is_inconsistent(models, HSF)
    assert (found.discovery, found.verdict) == (5, verdict)


@pytest.mark.parametrize("rule", [avh_follows_hsf, norm_is_inconsistent])
def test_one_model_or_few_votes_are_too_little(rule):
    assert rule([model("a", 0.9)], HSF).verdict == "too little data"
    few = np.where(np.arange(3000) < 50, HSF, np.nan)
    found = rule([model("a", 0.9), model("b", 0.8, seed=1)], few)
    assert found.verdict == "too little data"
    assert found.not_judged == [NotJudged("few votes", 50)]
    assert rule([], HSF).verdict == "too little data"
