"""The model of votes, its intervals and its learning curve, on votes whose chances are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from avhcurate.features.predicted_hsf.conformal import conformal_interval, coverage_by_bin, distances
from avhcurate.features.predicted_hsf.learning_curve import Forecast, forecast, learning_curve
from avhcurate.features.predicted_hsf.service import fit_prediction
from avhcurate.features.predicted_hsf.vote_model import Design, Strength, VotedSamples, fit_votes
from avhcurate.measures.stats.ranks import spearman, standard_ranks

SAMPLES, VOTES = 900, 20


@pytest.fixture(scope="module")
def known():
    """A design of three narrow inputs, of which two matter, and six wide ones; chances with a spread of their own."""
    rng = np.random.default_rng(0)
    design = Design(rng.normal(size=(SAMPLES, 3)), rng.normal(size=(SAMPLES, 6)))
    odds = 1.5 + 1.2 * design.narrow[:, 0] - 0.6 * design.narrow[:, 1] + 0.5 * design.wide[:, 0]
    chance = rng.beta(8 * expit(odds), 8 * expit(-odds))
    return design, odds, rng.binomial(VOTES, chance)


def of(known, some):
    """Some of the samples, with their votes, in five folds."""
    design, _, hits = known
    n = len(some)
    return VotedSamples(some, design.of(some), hits[some], np.full(n, VOTES), np.arange(n) % 5, np.ones(n))


@pytest.fixture(scope="module")
def prediction(known):
    return fit_prediction(of(known, np.arange(0, SAMPLES, 2)))


def test_the_fit_finds_the_coefficients_that_made_the_votes(known):
    design, odds, _ = known
    model = fit_votes(of(known, np.arange(SAMPLES)), Strength(1.0, 1.0))
    assert model.coefficients[:4] == pytest.approx([1.2, -0.6, 0.0, 0.5], abs=0.12)
    assert model.coefficients[-1] == pytest.approx(1.5, abs=0.12)
    assert np.exp(model.log_precision) == pytest.approx(8, rel=0.3)
    # The posterior's variance is that by which the fitted log odds miss the true ones.
    assert np.mean((model.odds(design) - odds) ** 2) == pytest.approx(model.variance(design).mean(), rel=0.8)


def test_a_voted_sample_is_predicted_without_its_votes(known):
    voted = of(known, np.arange(60))
    folds, before = voted.folds, fit_prediction(voted)
    after = fit_prediction(replace(voted, hits=np.where(folds == 0, VOTES - voted.hits, voted.hits)))
    assert before.crossed.odds[folds == 0] == pytest.approx(after.crossed.odds[folds == 0])
    assert before.crossed.odds[folds == 1] != pytest.approx(after.crossed.odds[folds == 1])


def test_intervals_cover_what_they_claim_on_samples_never_seen(known, prediction):
    design, _, hits = known
    unseen = np.arange(1, SAMPLES, 2)
    found, hsf = prediction.columns(unseen, design.of(unseen)), hits[unseen] / VOTES
    low, high = found["hsf_predicted_low"], found["hsf_predicted_high"]
    assert ((low <= hsf) & (hsf <= high)).mean() == pytest.approx(0.9, abs=0.045)
    assert ((low <= found["hsf_predicted"]) & (found["hsf_predicted"] <= high)).all()
    assert (high - low).mean() < 0.75
    assert spearman(standard_ranks(found["hsf_predicted"]), standard_ranks(hsf)) > 0.6


def test_weights_count_samples_that_were_asked_about_less_often():
    """Hard samples asked about ten times as often: unweighted intervals are those of hard samples."""
    rng = np.random.default_rng(1)
    spread = np.where(rng.random(4000) < 0.5, 0.5, 0.1)
    reached = rng.random(4000) * spread
    asked = rng.random(4000) < np.where(spread > 0.3, 0.5, 0.05)
    odds, weights = np.zeros(asked.sum()), np.where(spread > 0.3, 2.0, 20.0)[asked]
    (plain,) = conformal_interval(odds, reached[asked], np.ones(len(odds)), 1.0, 10, level=0.6).reach
    (weighted,) = conformal_interval(odds, reached[asked], weights, 1.0, 10, level=0.6).reach
    truth = np.quantile(reached, 0.6)
    assert abs(weighted - truth) < 0.02 < abs(plain - truth)


def test_intervals_cover_within_bins_of_predicted_hsf_though_the_model_is_too_sure_of_some():
    """Hard samples vary more than the one precision of the model says: one cut misses them, a cut a bin does not."""
    rng = np.random.default_rng(3)
    odds = rng.normal(2, 1.5, 6000)
    precision = np.where(odds < 1, 2, 30)
    hits = rng.binomial(VOTES, rng.beta(precision * expit(odds), precision * expit(-odds)))
    votes, known = np.full(6000, VOTES), np.arange(6000) < 3000
    interval = conformal_interval(odds[known], distances(odds, 2.0, hits, votes)[known], np.ones(3000), 2.0, VOTES)
    low, high = interval.of(odds[~known])
    hsf, predicted = hits[~known] / VOTES, expit(odds[~known])
    table = coverage_by_bin(low, high, hsf, np.ones(3000), predicted=predicted)
    fifths = table[table["of"] == "Predicted"]
    assert len(fifths) == 5
    assert fifths["n"].sum() == table["n"][0] == 3000
    assert [table["coverage"][0], *fifths["coverage"]] == pytest.approx([0.9] * 6, abs=0.045)
    one = conformal_interval(np.zeros(3000), distances(odds, 2.0, hits, votes)[known], np.ones(3000), 2.0, VOTES)
    ends = one.of(odds[~known])
    uncut = coverage_by_bin(*ends, hsf, np.ones(3000), predicted=predicted)
    assert uncut["coverage"][uncut["of"] == "Predicted"].min() < 0.8
    # The claim does not extend to bins of the truth: samples harder than expected lie outside.
    assert table["coverage"][table["of"] == "HSF"].min() < 0.8


def test_what_votes_would_tell_does_not_depend_on_having_them(known, prediction):
    """A voted sample is as wanted as its twin without votes, or a queue's chances would not be those before it came."""
    design, _, _ = known
    voted = prediction.voted.ids
    said = prediction.columns(voted, design.of(voted))["information"]
    twins = prediction.columns(voted + SAMPLES, design.of(voted))["information"]
    learnt = prediction.model.variance(design.of(voted))
    unlearnt = [prediction.crossed.models[fold].variance(design.of(voted)) for fold in range(5)]
    assert (np.choose(prediction.voted.folds, unlearnt) > learnt).all()
    assert (said > twins).mean() > 0.9


def test_the_learning_curve_rises_and_ends_at_the_cross_fit(known, prediction):
    voted = prediction.voted
    curve = learning_curve(voted, prediction.crossed)
    assert curve["learnt"].is_monotonic_increasing
    assert curve["learnt"].iloc[-1] == 360
    assert curve["rho"].iloc[-1] > curve["rho"].iloc[0]
    rho = spearman(standard_ranks(prediction.crossed.odds), standard_ranks(voted.hsf))
    assert curve["rho"].iloc[-1] == pytest.approx(rho)
    assert (curve["low"] < curve["rho"]).all()
    assert (curve["rho"] < curve["high"]).all()


def test_the_band_of_a_forecast_covers_the_curve_though_all_points_share_an_error():
    rng, learnt, error = np.random.default_rng(0), np.array([25, 50, 100, 200]), 0.03
    truth, inside, unsure = Forecast(0.5, 1.0), [], 0
    for _ in range(100):
        rho = truth.rho(learnt) + error * rng.normal() + error * rng.normal(size=4)
        ends = {"low": rho - 1.96 * error, "high": rho + 1.96 * error}
        found = forecast(pd.DataFrame({"learnt": learnt, "rho": rho, **ends}))
        low, high = found.band(np.array([400, 4000]))
        inside.append((low <= truth.rho(np.array([400, 4000]))) & (truth.rho(np.array([400, 4000])) <= high))
        fewest, _, most = found.needed(0.46)
        unsure += fewest is not None and fewest <= 625 and (most is None or most >= 625)
    assert np.mean(inside, axis=0) == pytest.approx([0.95, 0.95], abs=0.04)
    assert unsure > 90  # 0.46 needs 625
