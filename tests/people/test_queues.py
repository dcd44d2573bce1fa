"""Votes of a biased queue: what weighting by its chances recovers, and what strict order does."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from avhcurate.measures.stats.rank_influence import estimate, spearman_influence
from avhcurate.people.queues import DrawnBatch, draw_rates, draw_times, inclusion


def dataset(seed, samples=2000):
    """A hardness score and HSF of ten votes, which would be known if everybody voted on everything."""
    rng = np.random.default_rng(seed)
    easy = rng.normal(size=samples)
    return 0.6 * rng.normal(size=samples) - easy, rng.binomial(10, expit(1.8 * easy + 0.8)) / 10


def drawn(score, seed, number):
    """Mask of the first so many samples of a queue that draws, and the chance of each."""
    rates = draw_rates(score)
    times = draw_times(rates, seed)
    asked = times <= np.sort(times)[number - 1]
    return asked, inclusion([DrawnBatch(rates, times, asked)])


def test_weighting_by_the_chances_recovers_what_the_queue_bends():
    found = []
    for seed in range(60):
        score, hsf = dataset(seed)
        asked, chances = drawn(score, seed + 1000, 400)
        first = np.argsort(-score)[:400]
        rho, influence = spearman_influence(score[asked], hsf[asked], 1 / chances[asked])
        interval = estimate(rho, influence)
        truth = spearmanr(score, hsf).statistic
        strict = spearmanr(score[first], hsf[first]).statistic
        plain = spearmanr(score[asked], hsf[asked]).statistic
        found.append((truth, strict, plain, rho, interval.low < truth < interval.high))
    truth, strict, plain, weighted, inside = np.mean(found, axis=0)
    assert strict > truth + 0.25
    assert plain > truth + 0.02
    assert weighted == pytest.approx(truth, abs=0.015)
    assert inside == pytest.approx(0.95, abs=0.07)


def test_a_sample_that_no_batch_could_ask_about_has_no_chance():
    rates, asked = np.array([1.0, 1.0, 0.0]), np.array([True, False, False])
    batch = DrawnBatch(rates, draw_times(rates, 0), asked)
    assert batch.times[2] == np.inf
    assert inclusion([batch])[2] == 0


def test_chances_are_how_often_samples_are_drawn():
    score = np.random.default_rng(0).normal(size=60)
    asked, chances = zip(*(drawn(score, seed, 15) for seed in range(1500)), strict=True)
    often, said = np.mean(asked, axis=0), np.mean(chances, axis=0)
    np.testing.assert_allclose(often, said, atol=0.05)
    assert often[np.argmax(score)] > 5 * often[np.argmin(score)]


def test_groups_are_asked_about_in_turn_and_all_of_one_is_certain():
    rates, times = np.ones(6), np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3])
    asked = np.array([True, False, False, True, True, True])
    chances = inclusion([DrawnBatch(rates, times, asked)], np.array([0, 0, 0, 1, 1, 1]))
    assert chances.tolist() == pytest.approx([1 - np.exp(-0.2)] * 3 + [1] * 3)


def test_weights_count_a_sample_so_many_times():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 9, (2, 80)).astype(float)
    times = rng.integers(1, 4, 80)
    rho, influence = spearman_influence(x, y, times.astype(float))
    assert rho == pytest.approx(spearmanr(np.repeat(x, times), np.repeat(y, times)).statistic)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    copies = np.repeat(np.arange(80), times)
    _, of_copies = spearman_influence(np.repeat(x, times), np.repeat(y, times))
    of_samples = np.bincount(copies, of_copies) / len(copies)
    assert estimate(rho, influence).error == pytest.approx(np.sqrt(of_samples @ of_samples))
