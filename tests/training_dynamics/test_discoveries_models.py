"""The verdicts on models: planted AVH and norms for each, with chance and missing data."""

import numpy as np
import pytest

from avhcurate.training_dynamics.discoveries_models import avh_follows_hsf, lower_where_better, norm_is_inconsistent
from avhcurate.training_dynamics.findings import Model, NotJudged

LABELS = ("[0, 0.5)", "[0.5, 1]")


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
    assert found.figure("comparisons").value == found.figure("clearly lower").value == 2


def test_one_bin_in_which_the_better_has_clearly_higher_avh_refutes_it():
    models = [model("good", 0.95, avh=(0.08, 0.04)), model("bad", 0.8, avh=0.06, seed=1)]
    found = lower_where_better(models, BINS, LABELS)
    assert found.verdict == "does not hold"
    assert found.exception == ("good", "bad", "[0, 0.5)")


def test_a_difference_within_chance_shows_nothing_and_refutes_nothing():
    good, bad = model("good", 0.95, avh=0.05), model("bad", 0.8, avh=0.05, seed=1)
    off = [(good.avh - bad.avh)[number == BINS].mean() for number in (0, 1)]
    just_lower = Model("good", good.correct, good.avh - np.where(BINS == 0, *off) - 1e-5, good.norm)
    assert lower_where_better([just_lower, bad], BINS, LABELS).verdict == "too little data"
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


def test_avh_that_follows_hsf_in_every_model_holds_and_one_that_differs_refutes_it():
    follows = [model("a", 0.9), model("b", 0.8, follows=-0.2, seed=1)]
    found = avh_follows_hsf(follows, HSF)
    assert (found.discovery, found.verdict) == (4, "holds")
    assert found.figures[0].n == 3000
    assert found.figure("spearman", "a").value == pytest.approx(-0.43, abs=0.06)
    for odd in (0.0, 0.4):
        found = avh_follows_hsf([*follows, model("c", 0.9, follows=odd, seed=2)], HSF)
        assert found.verdict == "does not hold"
        assert [one.high < 0 for one in found.figures] == [True, True, False]
    assert avh_follows_hsf([model("c", 0.9, follows=0.4), model("d", 0.9, follows=0.4, seed=3)], HSF).verdict == (
        "does not hold"
    )


def test_an_interval_that_reaches_zero_by_lack_of_data_refutes_nothing():
    few = [model("a", 0.9, follows=-0.2, n=120, seed=4), model("b", 0.9, follows=-0.2, n=120, seed=24)]
    found = avh_follows_hsf(few, HSF[:120])
    assert [one.high < 0 for one in found.figures] == [True, False]
    assert found.verdict == "too little data"


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (0.4, -0.4, "holds"),
        (0.4, 0.0, "holds"),
        (0.0, 0.0, "too little data"),
        (0.03, 0.0, "too little data"),
        (0.4, 0.2, "does not hold"),
        (-0.3, -0.3, "does not hold"),
    ],
)
def test_the_norm_is_inconsistent_where_models_differ_and_not_for_want_of_data(first, second, verdict):
    models = [model("a", 0.9, norm_follows=first, seed=1), model("b", 0.9, norm_follows=second, seed=2)]
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
