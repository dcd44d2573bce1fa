"""Split-half reliability: against real splits of single votes, against simulated truth, and on CIFAR-10H."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr

from avhcurate.errors import CurateError
from avhcurate.votes import reliability
from avhcurate.votes.hsf import selections


def votes_of(samples, shown, *, seed, a=6.0, b=1.0):
    """Votes of a panel whose chance of choosing the label is Beta(a, b): (chance, selected, shown)."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(a, b, samples)
    return chance, rng.binomial(shown, chance), np.full(samples, shown)


def split_by_hand(selected, shown, rng):
    """Shuffles each sample's votes one by one and correlates the halves."""
    halves = []
    for k, n in zip(selected, shown, strict=True):
        votes = rng.permutation([1] * k + [0] * (n - k))
        halves.append((np.mean(votes[: n // 2]), np.mean(votes[n // 2 :])))
    return spearmanr(*zip(*halves, strict=True)).statistic


def test_splitting_by_kind_of_sample_equals_splitting_each_sample():
    rng = np.random.default_rng(3)
    shown = rng.integers(2, 12, 120)
    selected = rng.binomial(shown, rng.beta(2, 1, 120))
    by_hand = [split_by_hand(selected, shown, rng) for _ in range(60)]
    found = reliability.of_ticks(selected, shown, splits=400)
    assert found.half == pytest.approx(np.mean(by_hand), abs=4 * np.std(by_hand) / np.sqrt(60))


def test_spearman_brown_and_the_ceiling_follow_from_the_halves():
    found = reliability.of_ticks(*votes_of(500, 20, seed=0)[1:])
    assert found.reliability == pytest.approx(2 * found.half / (1 + found.half))
    assert found.ceiling == pytest.approx(found.reliability**0.5)
    assert found.low < found.reliability < found.high
    assert found.ceiling_low == pytest.approx(found.low**0.5)


@pytest.mark.parametrize(("a", "b", "shown"), [(2, 2, 20), (6, 1, 51), (1, 1, 5)])
def test_a_score_that_knows_the_truth_reaches_the_ceiling(a, b, shown):
    chance, selected, shown = votes_of(20_000, shown, seed=1, a=a, b=b)
    found = reliability.of_ticks(selected, shown, splits=20)
    assert spearmanr(chance, selected / shown).statistic == pytest.approx(found.ceiling, abs=0.02)


def test_more_votes_are_more_reliable():
    few, many = (reliability.of_ticks(*votes_of(2000, shown, seed=2)[1:], splits=20) for shown in (4, 40))
    assert few.high < many.low


def test_votes_at_random_have_no_reliability():
    rng = np.random.default_rng(4)
    found = reliability.of_ticks(rng.binomial(10, 0.5, 3000), np.full(3000, 10), splits=50)
    assert found.reliability < 0.1
    assert found.low >= 0


def test_the_interval_covers_the_mean_over_panels():
    found = [reliability.of_ticks(*votes_of(300, 8, seed=seed)[1:], splits=30) for seed in range(40)]
    truth = np.mean([f.reliability for f in found])
    assert 0.85 <= np.mean([f.low < truth < f.high for f in found]) <= 1


def test_the_seed_decides_and_nothing_else():
    votes = votes_of(300, 10, seed=5)[1:]
    first, again, other = (reliability.of_ticks(*votes, splits=20, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.half != other.half
    order = np.random.default_rng(0).permutation(300)
    assert reliability.of_ticks(*(v[order] for v in votes), splits=20, seed=1) == first


def test_samples_with_fewer_than_two_votes_are_left_out_and_counted():
    _, selected, shown = votes_of(300, 10, seed=6)
    more = reliability.of_ticks(np.append(selected, [0, 1, 0]), np.append(shown, [0, 1, 1]))
    assert more.samples == 300
    assert more.half == reliability.of_ticks(selected, shown).half


def test_samples_without_a_label_are_left_out():
    counts = np.array([[8, 2], [3, 7], [5, 5], [9, 1], [0, 10]])
    found = reliability.of_ticks(*selections(counts, [0, 1, 0, 0, -1]))
    assert found.samples == 4


@pytest.mark.parametrize(
    ("selected", "shown", "reason"),
    [
        ([], [], "only 0 samples"),
        ([1, 2, 0], [2, 2, 1], "only 2 samples have two votes or more"),
        ([5, 5, 5, 3], [5, 5, 5, 3], "every sample has the same HSF"),
    ],
)
def test_where_there_is_nothing_to_correlate_the_reason_is_given(selected, shown, reason):
    found = reliability.of_ticks(np.array(selected, int), np.array(shown, int))
    assert np.isnan([found.half, found.reliability, found.ceiling]).all()
    assert reason in found.reason


def test_one_split_is_refused():
    with pytest.raises(CurateError, match="splits must be 2 or more"):
        reliability.of_ticks([1, 2, 3], [3, 3, 3], splits=1)


def test_cifar10h_has_the_reliability_and_ceiling_of_the_literature(shared_data):
    table = pq.read_table(shared_data / "cifar10h_test.parquet", columns=["label", "human_counts"])
    votes = selections(np.array(table["human_counts"].to_pylist()), table["label"].to_numpy())
    found = reliability.of_ticks(*votes, splits=50)
    assert found.samples == 10_000
    assert found.reliability == pytest.approx(0.70, abs=0.01)
    assert found.ceiling == pytest.approx(0.84, abs=0.01)


# -- as votes come in


def test_the_curve_is_that_of_counting_the_first_votes_by_hand():
    rng = np.random.default_rng(6)
    sample, hit = rng.integers(30, size=200), rng.random(200) < 0.6
    curve = reliability.as_votes_came(sample, hit).set_index("votes")
    for votes in (1, 3, 5):
        rows = [hit[sample == s] for s in np.unique(sample) if (sample == s).sum() >= votes]
        early, late = np.array([r[:votes].mean() for r in rows]), np.array([r.mean() for r in rows])
        assert curve.loc[votes, "samples"] == len(rows)
        assert curve.loc[votes, "mean_change"] == pytest.approx(np.abs(early - late).mean())
        assert curve.loc[votes, "spearman"] == pytest.approx(spearmanr(early, late).statistic)


def test_hsf_settles_as_votes_come_in():
    rng = np.random.default_rng(8)
    _, selected, _ = votes_of(3000, 12, seed=9, a=2, b=1)
    votes = np.concatenate([rng.permutation([1] * k + [0] * (12 - k)) for k in selected])
    curve = reliability.as_votes_came(np.repeat(np.arange(3000), 12), votes == 1)
    assert curve["votes"].tolist() == list(range(1, 13))
    assert (np.diff(curve["mean_change"]) < 0).all()
    assert curve["mean_change"].iloc[-1] == 0
    assert curve["spearman"].iloc[-1] == pytest.approx(1)


def test_many_votes_give_few_points():
    curve = reliability.as_votes_came(np.repeat([0, 1], 1000), np.arange(2000) % 5 == 0, points=20)
    assert len(curve) <= 20
    assert curve["votes"].iloc[-1] == 1000
    assert len(reliability.as_votes_came([], [])) == 0
