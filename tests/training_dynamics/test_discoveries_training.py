"""The verdicts on trainings: planted curves for each, with noise, chance and missing data."""

import numpy as np
import pytest

from avhcurate.training_dynamics.discoveries_training import norm_increases, settles_early
from avhcurate.training_dynamics.findings import NotJudged, TrainingCurves
from avhcurate.training_dynamics.settling import settled

EPOCHS = np.array([0, 0.25, 0.5, 0.75, *range(1, 41)], float)


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
@pytest.mark.parametrize(("accuracy", "loss"), [(15, 18), (30, 4), (4, 30)])
def test_avh_that_settles_while_accuracy_or_loss_improves_is_found_with_noise_too(accuracy, loss, noise):
    found = settles_early([course(avh=4, accuracy=accuracy, loss=loss, noise=noise)])
    assert (found.discovery, found.verdict) == (1, "holds")
    assert found.figure("avh settled", "a").value == pytest.approx(4, abs=1.5)
    for key, at in (("accuracy left", accuracy), ("loss left", loss)):
        left = found.figure(key, "a")
        assert left.low <= left.value <= left.high
        assert left.value == pytest.approx(0.05 ** (4 / at), abs=0.1)


@pytest.mark.parametrize(("avh", "accuracy", "loss"), [(15, 4, 4), (10, 10, 10), (12, 10, 9)])
def test_where_both_have_settled_with_avh_or_before_it_does_not_hold(avh, accuracy, loss):
    assert settles_early([course(avh=avh, accuracy=accuracy, loss=loss)]).verdict == "does not hold"


def test_an_evaluation_without_a_value_is_left_out():
    training = course(avh=4, accuracy=12, loss=12)
    training.parts["loss"][9] = np.nan
    found = settles_early([training])
    assert found.verdict == "holds"
    assert all(np.isfinite(one[1:4]).all() for one in found.figures)


def test_what_is_left_is_free_of_scale():
    plain = course(avh=4, accuracy=12, loss=12)
    scaled = {key: 7 * parts for key, parts in plain.parts.items()}
    again = TrainingCurves("a", EPOCHS, scaled, plain.sizes, 40.0, plain.norm_change)
    for one, other in zip(settles_early([plain]).figures, settles_early([again]).figures, strict=True):
        assert one[1:4] == pytest.approx(other[1:4])


def test_a_share_near_the_limit_is_too_little_for_few_samples_and_told_by_many():
    near = {"avh": 4, "accuracy": 6.2, "loss": 4}  # 0.14 of accuracy's way is left
    assert settles_early([course(**near, samples=200)]).verdict == "too little data"
    assert settles_early([course(**near, samples=60_000)]).verdict == "holds"


def test_of_two_trainings_it_must_hold_in_both_and_of_more_over_all():
    found = settles_early([course("a"), course("b", avh=20)])
    assert found.verdict == "does not hold"
    assert found.verdicts == {"a": "holds", "b": "does not hold"}
    three = [course("a"), course("b", avh=5, seed=1), course("c", avh=4.5, seed=2)]
    found = settles_early(three)
    values = [found.figure("loss left", name).value for name in "abc"]
    mean = found.figure("loss left")
    assert (found.verdict, mean.n, mean.value) == ("holds", 3, pytest.approx(np.mean(values)))
    # Student's t of 2 degrees of freedom: the trainings are the units, however many samples each has.
    assert mean.high - mean.value == pytest.approx(4.303 * np.std(values, ddof=1) / np.sqrt(3), rel=1e-3)
    assert settles_early([*three[:2], course("c", avh=20)]).verdict == "too little data"


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


def test_a_norm_that_grows_in_one_leap_is_not_told_from_a_walk():
    leap = 5 + (EPOCHS > 20) + EPOCHS / 1000
    found = norm_increases([course(norm=leap)])
    assert found.figure("norm trend", "a").value > 0.9
    assert found.verdict == "too little data"


def test_over_three_trainings_the_growth_of_each_counts_once():
    grows = [course(name, norm=5 + EPOCHS / at, seed=at) for name, at in (("a", 10), ("b", 12), ("c", 11))]
    found = norm_increases(grows)
    assert (found.verdict, found.figure("norm growth").n) == ("holds", 3)
    mixed = norm_increases([*grows[:2], course("c", norm=9 - EPOCHS / 10)])
    assert (mixed.verdict, mixed.verdicts["c"]) == ("too little data", "does not hold")
    falls = [course(name, norm=9 - EPOCHS / at, seed=at) for name, at in (("a", 10), ("b", 12), ("c", 11))]
    assert norm_increases(falls).verdict == "does not hold"


def test_few_evaluations_after_the_warm_up_are_too_little():
    assert norm_increases([course(epochs=EPOCHS[:9])]).verdict == "too little data"
    found = norm_increases([course(epochs=np.append(EPOCHS[:4], [2.0, 3.0, 5.0]))])
    assert found.not_judged == [NotJudged("few evaluations after the warm-up", 1, "a")]
