"""Reliability of HSF: five truths that are known, larger sets of votes foretold, coverage, and CIFAR-10H."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom, spearmanr

from avhcurate.measures.stats.vote_mixture import CHANCES, Outcomes, VoteKinds, strata
from avhcurate.people import reliability
from avhcurate.people.hsf import selections
from benchmarks.ceiling import ALIKE, TRUTHS, of_ratios


def votes_of(samples, shown, *, seed, a=6.0, b=1.0):
    """Votes of annotators whose chance of choosing the label is Beta(a, b): (chance, selected, shown)."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(a, b, samples)
    return chance, rng.binomial(shown, chance), np.full(samples, shown)


def between_two_sets(chance, shown, rng):
    """Spearman between two simulated sets of votes of samples with these chances, twenty times over."""
    many, votes = np.tile(chance, 20), np.tile(shown, 20)
    return spearmanr(*(rng.binomial(votes, many) / votes for _ in range(2))).statistic


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_ceiling_is_the_root_of_the_agreement_of_two_sets_of_votes(truth):
    rng = np.random.default_rng(1)
    chance, votes = TRUTHS[truth](rng, 12_000), np.full(12_000, 20)
    found = reliability.of_ticks(rng.binomial(votes, chance), votes, resamples=20)
    assert found.ceiling == pytest.approx(between_two_sets(chance, votes, rng) ** 0.5, abs=0.02)
    assert found.ceiling == pytest.approx(found.reliability**0.5)


def test_no_score_exceeds_the_ceiling_and_the_best_function_of_the_chance_reaches_it():
    rng = np.random.default_rng(2)
    chance, selected, shown = votes_of(20_000, 20, seed=3)
    found = reliability.of_ticks(selected, shown, resamples=20)
    times = np.bincount(selected, minlength=21)
    ranks = np.cumsum(times) - times / 2
    expected = binom.pmf(np.arange(21), 20, chance[:, None]) @ ranks
    assert np.corrcoef(expected, ranks[selected])[0, 1] == pytest.approx(found.ceiling, abs=0.01)
    for score in (chance, chance.round(1), -1 / chance, rng.normal(chance, 0.1)):
        assert spearmanr(score, selected).statistic < found.ceiling + 0.01


def test_each_sample_keeps_its_number_of_votes():
    """Hard samples with six times the votes: one mixture for all would say 0.86."""
    rng = np.random.default_rng(4)
    chance = rng.beta(3, 1, 3000)
    votes = np.where(chance < 0.7, 30, 5)
    found = reliability.of_ticks(rng.binomial(votes, chance), votes, resamples=20)
    assert found.ceiling == pytest.approx(between_two_sets(chance, votes, rng) ** 0.5, abs=0.02)


def test_expected_ranks_are_those_of_counting_outcomes_by_hand():
    weights = np.zeros(len(CHANCES))
    weights[[40, 90]] = 0.25, 0.75
    p = CHANCES[[40, 90]]
    chance = np.array([(1 - p) ** 2, 2 * p * (1 - p), p**2])  # of 0, 1 and 2 votes of two
    share = chance @ [0.25, 0.75]
    ranks = np.cumsum(share) - share / 2 - 0.5
    means, variance = Outcomes(np.array([2])).expected_ranks(np.ones(1), weights)
    assert means[0, [40, 90]] == pytest.approx(chance.T @ ranks)
    assert variance == pytest.approx(share @ ranks**2)


def test_the_mixture_gives_the_mean_of_the_votes_and_strata_are_alike_and_large():
    _, selected, shown = votes_of(2000, 7, seed=5)
    kinds = VoteKinds.of(selected, shown)
    assert kinds.fit(kinds.counts()) @ CHANCES == pytest.approx((selected / shown).mean(), abs=1e-3)
    votes = np.random.default_rng(6).integers(1, 120, 3000)
    parts = strata(votes)
    assert sorted(np.concatenate(parts)) == list(range(3000))
    assert min(map(len, parts)) >= 200


def test_images_that_are_all_alike_show_no_reliability():
    rng, said = np.random.default_rng(0), 0
    for samples, shown in [(40, 5), (80, 5), (300, 10)] * 3:
        hits = rng.binomial(shown, ALIKE["all alike"](rng, samples))
        found = reliability.of_ticks(hits, np.full(samples, shown), resamples=20)
        assert found.reason or found.low < 0.15
        said += np.isnan(found.reliability) and found.ceiling_text.endswith(f"may be up to {found.ceiling_high:.2f}")
    assert said >= 7


@pytest.mark.slow
def test_in_small_data_the_ceiling_is_an_interval_or_up_to_its_end_and_both_hold_the_truth():
    """5 votes on 100 samples of Beta(20, 5): an estimate shown only where votes differ clearly was .507 for .398."""
    rng, estimates, held, texts = np.random.default_rng(0), [], [], []
    for _ in range(40):
        found = reliability.of_ticks(rng.binomial(5, rng.beta(20, 5, 100)), np.full(100, 5), resamples=40)
        estimates.append(found.ceiling)
        held.append(found.ceiling_low <= 0.398 <= found.ceiling_high)
        texts.append(found.ceiling_text)
        if not found.reason:
            assert texts[-1] == f"{found.ceiling_low:.2f} to {found.ceiling_high:.2f}"
    assert np.nanmean(estimates) > 0.45
    assert np.mean(held) > 0.9
    assert 20 < sum("the ceiling may be up to 0." in text for text in texts) < 40


@pytest.mark.slow
def test_a_correlation_over_the_ceiling_covers_the_truth_at_0_005_and_03():
    """An interval on the scale of logarithms held a true 0 in 20 % and 0 itself never."""
    found = of_ratios(100, 5, 14, scores=20)
    assert found["rho"].tolist() == pytest.approx([0, 0.05, 0.3], abs=0.015)
    assert (found["n"] >= 100).all()
    share = found["held"] / found["n"]
    assert share.between(0.90, 0.99).all(), share


def test_the_seed_decides_and_nothing_else():
    votes = votes_of(300, 10, seed=5)[1:]
    first, again, other = (reliability.of_ticks(*votes, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert (first.reliability, first.low != other.low) == (other.reliability, True)
    order = np.random.default_rng(0).permutation(300)
    assert reliability.of_ticks(*(v[order] for v in votes), seed=1) == first


def test_samples_without_a_vote_or_a_label_are_left_out_and_counted():
    _, selected, shown = votes_of(300, 10, seed=6)
    more = reliability.of_ticks(np.append(selected, 0), np.append(shown, 0))
    assert more == reliability.of_ticks(selected, shown)
    counts = np.array([[8, 2], [3, 7], [5, 5], [9, 1], [0, 10]])
    assert reliability.of_ticks(*selections(counts, [0, 1, 0, 0, -1])).samples == 4


@pytest.mark.parametrize(
    ("selected", "shown", "reason"),
    [
        ([], [], "only 0 images"),
        ([1, 2, 0], [2, 2, 1], "only 2 images have two votes or more"),
        ([5, 5, 5, 3], [5, 5, 5, 3], "every image has the same HSF"),
    ],
)
def test_where_there_is_nothing_to_correlate_the_reason_is_given(selected, shown, reason):
    found = reliability.of_ticks(np.array(selected, int), np.array(shown, int))
    assert np.isnan([found.reliability, found.ceiling]).all()
    assert reason in found.reason


@pytest.fixture(scope="module")
def cifar10h(shared_data):
    table = pq.read_table(shared_data / "cifar10h_test.parquet", columns=["label", "human_counts"])
    return selections(np.array(table["human_counts"].to_pylist()), table["label"].to_numpy())


def test_the_ceiling_of_cifar10h_is_not_that_of_spearman_brown(cifar10h):
    found = reliability.of_ticks(*cifar10h)
    assert found.samples == 10_000
    assert found.ceiling == pytest.approx(0.777, abs=0.01)
    assert found.ceiling_high < 0.8


def test_eleven_votes_foretell_the_agreement_of_twenty_two(cifar10h):
    """Disjoint sets of 22 of the real votes agree at 0.53; Spearman-Brown would expect 0.64 from 11."""
    hits, votes = cifar10h
    rng, found = np.random.default_rng(0), []
    for _ in range(2):
        first = rng.hypergeometric(hits, votes - hits, 22)
        second = rng.hypergeometric(hits - first, votes - hits - (22 - first), 22)
        kinds = VoteKinds.of(rng.hypergeometric(first, 22 - first, 11), np.full(len(hits), 11))
        expected = Outcomes(np.array([22])).agreement(np.ones(1), kinds.fit(kinds.counts()))
        found.append((expected, spearmanr(first, second).statistic))
    expected, measured = np.mean(found, axis=0)
    assert expected == pytest.approx(measured, abs=0.03)
