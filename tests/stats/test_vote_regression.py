"""Beta-binomial regression: scipy's likelihood, parameters that come back, and votes that are not independent."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import betabinom

from avhcurate.stats.vote_regression import _BetaBinomial, vote_slope

EFFECTS = np.array([0.0, 1.0, -1.0, 0.5])


def votes_of(n, seed, slope=0.7, precision=8.0):
    """Score, votes for the label, votes and class of n samples."""
    rng = np.random.default_rng(seed)
    score, classes, votes = rng.normal(size=n), rng.integers(0, 4, n), rng.integers(5, 40, n)
    chance = expit(slope * score + 1 + EFFECTS[classes])
    return score, rng.binomial(votes, rng.beta(precision * chance, precision * (1 - chance))), votes, classes


def test_the_likelihood_is_scipys_and_its_gradient_true():
    score, hits, votes, classes = votes_of(200, 0)
    model, at = _BetaBinomial(score, hits, votes, classes), np.array([0.5, 1.2, 0.3, 0.1, 0.0, -0.2, 0.3])
    other = np.array([0.1, 2.0, 0.0, 0.0, 0.2, 0.0, 0.0])

    def by_scipy(p):
        chance, precision = expit(p[0] * score + p[2] + p[3:][classes]), np.exp(p[1])
        likelihood = betabinom.logpmf(hits, votes, precision * chance, precision * (1 - chance)).sum()
        return (p[3:] ** 2).sum() / 8 - likelihood

    assert model.loss(at)[0] - model.loss(other)[0] == pytest.approx(by_scipy(at) - by_scipy(other))
    steps = 1e-5 * np.eye(len(at))
    slopes = [(by_scipy(at + step) - by_scipy(at - step)) / 2e-5 for step in steps]
    assert model.loss(at)[1] == pytest.approx(slopes, rel=1e-4, abs=1e-4)


def test_the_slope_comes_back_with_its_interval():
    drawn = [votes_of(300, seed) for seed in range(100)]
    found, truths = [vote_slope(*one) for one in drawn], [0.7 * score.std() for score, *_ in drawn]
    assert np.mean([one.slope for one in found]) == pytest.approx(0.7, abs=0.03)
    inside = [one.low < truth < one.high for one, truth in zip(found, truths, strict=True)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.05)
    assert np.mean([one.within for one in found]) == pytest.approx(1 / 9, abs=0.02)


def test_a_score_that_says_nothing_is_significant_one_time_in_twenty():
    rng = np.random.default_rng(1)
    found = [vote_slope(rng.normal(size=200), *votes_of(200, seed)[1:]) for seed in range(120)]
    assert np.mean([one.p_value < 0.05 for one in found]) < 0.11
    assert np.mean([one.gain for one in found]) < 0.01


def test_the_score_behind_the_votes_gains_most():
    score, hits, votes, classes = votes_of(400, 2)
    noisy = score + np.random.default_rng(3).normal(size=400)
    assert vote_slope(score, hits, votes, classes).gain > 1.5 * vote_slope(noisy, hits, votes, classes).gain > 0


def test_unanimous_classes_have_no_infinite_effect_and_a_constant_no_slope():
    score, hits, votes, classes = votes_of(100, 4)
    found = vote_slope(score, np.where(classes == 1, votes, hits), votes, classes)
    assert 0.3 < found.slope < 1.2
    assert np.isnan(vote_slope(np.ones(100), hits, votes, classes).slope)
    assert np.isnan(vote_slope(score[:5], hits[:5], votes[:5], classes[:5]).slope)


def test_single_votes_say_nothing_of_two_votes_of_a_sample():
    score, hits, votes, classes = votes_of(100, 5)
    single = (np.random.default_rng(5).random(100) < hits / votes).astype(int)
    found = vote_slope(score, single, np.ones(100, int), classes)
    assert np.isfinite([found.slope, found.low, found.gain]).all()
    assert np.isnan(found.within)
    assert vote_slope(score, hits, votes, classes).within > 0


def test_votes_that_a_score_foretells_without_a_mistake_have_no_slope():
    score, votes = np.arange(60.0) - 29.5, np.full(60, 20)
    found = vote_slope(score, np.where(score > 0, 20, 0), votes, np.zeros(60, int))
    assert np.isnan([found.slope, found.low, found.p_value]).all()
