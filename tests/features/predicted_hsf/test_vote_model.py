"""The model of votes, its intervals and its learning curve, on votes whose chances are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.kernel_ridge import KernelRidge

from avhcurate.features.predicted_hsf.conformal import conformal_interval, coverage_by_bin
from avhcurate.features.predicted_hsf.learning_curve import Forecast, forecast, learning_curve
from avhcurate.features.predicted_hsf.service import fit_prediction
from avhcurate.features.predicted_hsf.vote_model import PENALTY, VotedSamples, curve_through, fit_votes
from avhcurate.measures.stats.ranks import rank_shares, spearman, standard_ranks

SAMPLES, VOTES = 900, 20


@pytest.fixture(scope="module")
def known():
    """Nine inputs, of which three matter; chances with a spread of their own."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(SAMPLES, 9))
    odds = 1.5 + inputs @ [1.2, -0.6, 0, 0.5, 0, 0, 0, 0, 0]
    chance = rng.beta(8 * expit(odds), 8 * expit(-odds))
    return inputs, odds, rng.binomial(VOTES, chance)


def of(known, some):
    """Some of the samples, with their votes, in five folds."""
    inputs, _, hits = known
    n = len(some)
    return VotedSamples(some, inputs[some], hits[some], np.full(n, VOTES), np.arange(n) % 5, np.ones(n))


@pytest.fixture(scope="module")
def prediction(known):
    return fit_prediction(of(known, np.arange(0, SAMPLES, 2)))


def test_the_model_is_the_kernel_ridge_of_the_ranks_of_hsf(known):
    voted = of(known, np.arange(300))
    inputs = known[0]
    model = fit_votes(voted)
    centred = inputs - voted.inputs.mean(axis=0)
    ranks = rank_shares(voted.hsf) - 0.5
    own = KernelRidge(alpha=PENALTY).fit(centred[:300], ranks).predict(centred)
    assert model.ranks(inputs) == pytest.approx(own + ranks.mean())
    assert spearman(standard_ranks(model.ranks(inputs[300:])), standard_ranks(known[1][300:])) > 0.9
    # What a vote would tell is by how much the determinant of the information grows.
    information = centred[:300].T @ centred[:300] + PENALTY * np.eye(9)
    grown = information + np.outer(centred[400], centred[400])
    assert model.information(inputs[400:401])[0] == pytest.approx(
        (np.linalg.slogdet(grown)[1] - np.linalg.slogdet(information)[1]) / 2
    )


def test_the_curve_through_votes_is_the_share_of_votes_and_never_falls():
    rng = np.random.default_rng(0)
    ranks = rng.uniform(-0.5, 0.5, 20_000)
    hsf = rng.binomial(3, expit(1 + 2 * ranks)) / 3
    curve = curve_through(ranks, hsf, np.ones(20_000))
    assert [curve.middle, curve.slope] == pytest.approx([1, 2], abs=0.08)
    fallen = curve_through(-ranks, hsf, np.ones(20_000)).hsf(np.array([-0.5, 0.5]))
    assert 0 < fallen[1] - fallen[0] < 0.001
    assert curve_through(ranks[:50], np.ones(50), np.ones(50)).hsf(np.zeros(1))[0] == pytest.approx(0.99, abs=0.01)


def test_a_voted_sample_is_predicted_without_its_votes(known):
    voted = of(known, np.arange(60))
    folds, before = voted.folds, fit_prediction(voted)
    after = fit_prediction(replace(voted, hits=np.where(folds == 0, VOTES - voted.hits, voted.hits)))
    assert before.ranks[folds == 0] == pytest.approx(after.ranks[folds == 0])
    assert before.ranks[folds == 1] != pytest.approx(after.ranks[folds == 1])


def test_intervals_cover_what_they_claim_on_samples_never_seen(known, prediction):
    inputs, _, hits = known
    unseen = np.arange(1, SAMPLES, 2)
    found, hsf = prediction.columns(unseen, inputs[unseen]), hits[unseen] / VOTES
    low, high = found["hsf_predicted_low"], found["hsf_predicted_high"]
    assert ((low <= hsf) & (hsf <= high)).mean() == pytest.approx(0.9, abs=0.045)
    assert ((low <= found["hsf_predicted"]) & (found["hsf_predicted"] <= high)).all()
    assert (high - low).mean() < 0.75
    assert spearman(standard_ranks(found["hsf_predicted"]), standard_ranks(hsf)) > 0.6


def test_weights_count_samples_that_were_asked_about_less_often():
    """Hard samples asked about ten times as often: unweighted intervals are those of hard samples."""
    rng = np.random.default_rng(1)
    spread = np.where(rng.random(4000) < 0.5, 0.5, 0.1)
    hsf = 0.5 + rng.random(4000) * spread
    asked = rng.random(4000) < np.where(spread > 0.3, 0.5, 0.05)
    middle, weights = np.full(asked.sum(), 0.5), np.where(spread > 0.3, 2.0, 20.0)[asked]
    (plain,) = conformal_interval(middle, hsf[asked], np.ones(len(middle)), level=0.6).reach
    (weighted,) = conformal_interval(middle, hsf[asked], weights, level=0.6).reach
    truth = np.quantile(hsf - 0.5, 0.6) / 0.5
    assert abs(weighted - truth) < 0.04 < abs(plain - truth)


def hard_and_easy(samples, seed):
    """Predicted HSF and HSF of samples that vary the more the harder they are."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(2, 1.5, samples)
    precision = np.where(odds < 0.5, 1, 30)
    return expit(odds), rng.binomial(VOTES, rng.beta(precision * expit(odds), precision * expit(-odds))) / VOTES


def test_intervals_cover_within_bins_of_predicted_hsf_though_hard_samples_vary_more():
    """One cut misses the hard samples, a cut a bin does not."""
    predicted, hsf = hard_and_easy(6000, 3)
    known = np.arange(6000) < 3000
    low, high = conformal_interval(predicted[known], hsf[known], np.ones(3000)).of(predicted[~known])
    table = coverage_by_bin(low, high, hsf[~known], np.ones(3000), predicted=predicted[~known])
    fifths = table[table["of"] == "Predicted"]
    assert len(fifths) == 5
    assert fifths["n"].sum() == table["n"][0] == 3000
    assert [table["coverage"][0], *fifths["coverage"]] == pytest.approx([0.9] * 6, abs=0.045)
    one = conformal_interval(np.full(3000, 0.5), hsf[known] - predicted[known] + 0.5, np.ones(3000))
    assert len(one.reach) == 1
    reach = one.reach[0] / 2
    inside = np.abs(hsf - predicted)[~known] <= reach
    assert inside[predicted[~known] < np.quantile(predicted, 0.2)].mean() < 0.8
    # The claim does not extend to bins of the truth: samples harder than expected lie outside.
    assert table["coverage"][table["of"] == "HSF"].min() < 0.8


def test_from_200_votes_the_lowest_twentieth_is_covered_too():
    """With bins of 100 voted samples 0.81 of it was, as 0.76 to 0.84 on CIFAR-10H by the model before."""
    held = []
    for seed in range(40):
        predicted, hsf = hard_and_easy(2200, seed)
        low, high = conformal_interval(predicted[:200], hsf[:200], np.ones(200)).of(predicted[200:])
        lowest = predicted[200:] < np.quantile(predicted[200:], 0.05)
        held.append(((low <= hsf[200:]) & (hsf[200:] <= high))[lowest].mean())
    assert np.mean(held) > 0.84


def test_what_votes_would_tell_does_not_depend_on_having_them(prediction):
    """A voted sample is as wanted as its twin without votes, or a queue's chances would not be those before it came."""
    voted = prediction.voted.ids
    inputs = prediction.voted.inputs
    said = prediction.columns(voted, inputs)["information"]
    twins = prediction.columns(voted + SAMPLES, inputs)["information"]
    learnt = prediction.model.information(inputs)
    unlearnt = [model.information(inputs) for model in prediction.of_folds]
    assert (np.choose(prediction.voted.folds, unlearnt) > learnt).all()
    assert (said > twins).mean() > 0.9


def test_the_learning_curve_rises_and_ends_at_the_cross_fit(prediction):
    voted = prediction.voted
    curve = learning_curve(voted, prediction.ranks)
    assert curve["learnt"].is_monotonic_increasing
    assert curve["learnt"].iloc[-1] == 360
    assert curve["rho"].iloc[-1] > curve["rho"].iloc[0]
    rho = spearman(standard_ranks(prediction.ranks), standard_ranks(voted.hsf))
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
