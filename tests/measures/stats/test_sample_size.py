"""How many more votes or samples: what is promised comes true when simulated, and what votes cannot do is said."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import norm, spearmanr

from avhcurate.errors import CurateError
from avhcurate.measures.stats.correlation import fisher_interval
from avhcurate.measures.stats.sample_size import VoteForecast, votes_needed
from avhcurate.people.hsf import selections


def study(samples, votes, *, seed, link=0.6, power=0.5):
    """A score, and votes whose chance it follows with noise of its own: (score, selected, shown)."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=samples)
    score = link * hidden + np.sqrt(1 - link**2) * rng.normal(size=samples)
    chance = np.clip(norm.cdf(hidden) ** power, 0.02, 0.98)
    return score, rng.binomial(votes, chance), np.full(samples, votes)


def measured(samples, votes, seeds, **options):
    found = []
    for seed in seeds:
        score, selected, _ = study(samples, votes, seed=seed, **options)
        found.append(spearmanr(score, selected).statistic)
    return np.array(found)


@pytest.mark.parametrize(("votes", "power"), [(10, 0.5)])
def test_the_correlation_with_more_votes_is_predicted(votes, power):
    forecast = VoteForecast(*study(30_000, 5, seed=0, power=power))
    more = measured(30_000, votes, [1], power=power).item()
    assert forecast.expected(votes) == pytest.approx(more, abs=0.02)
    assert forecast.expected(0) == pytest.approx(forecast.rho, abs=1e-12)


def test_real_votes_are_predicted_without_overstating(shared_data):
    """From 5 votes of CIFAR-10H for 20, of a score that is made of other votes and noise."""
    table = pq.read_table(shared_data / "cifar10h_test.parquet", columns=["label", "human_counts"])
    hits, votes = selections(np.array(table["human_counts"].to_pylist()), table["label"].to_numpy())
    rng = np.random.default_rng(0)
    others = rng.hypergeometric(hits, votes - hits, 20)
    score = others + rng.normal(0, 4, len(hits))
    twenty = rng.hypergeometric(hits - others, votes - hits - (20 - others), 20)
    five = rng.hypergeometric(twenty, 20 - twenty, 5)
    expected = VoteForecast(score, five, np.full(len(hits), 5)).expected(20)
    assert expected == pytest.approx(spearmanr(score, twenty).statistic, abs=0.025)


def test_the_votes_asked_for_make_the_interval_as_narrow_as_asked():
    """Simulated studies with that many votes scatter as the promised width says, and those with the present do not."""
    score, selected, shown = study(300, 3, seed=2, link=0.8)
    forecast = VoteForecast(score, selected, shown)
    now = votes_needed(forecast, width=0.2).width_now
    wanted = now - 0.3 * (now - votes_needed(forecast, width=0.01).width_at_best)
    need = votes_needed(forecast, width=wanted)
    assert need.votes_needed is not None
    assert need.votes_needed > 3
    assert need.more_votes == 300 * (need.votes_needed - 3)
    low, high = fisher_interval(forecast.expected(need.votes_needed), 300)
    assert high - low <= wanted
    each = (measured(300, votes, range(150), link=0.8) for votes in (3, need.votes_needed))
    before, after = (np.ptp(np.quantile(found, [0.025, 0.975])) for found in each)
    assert after == pytest.approx(wanted, rel=0.25)
    assert after < before


def test_more_votes_cannot_replace_samples():
    need = votes_needed(VoteForecast(*study(100, 10, seed=4)), width=0.1)
    assert (need.votes_needed, need.more_votes) == (None, None)
    assert need.width_at_best > 0.1


@pytest.mark.parametrize(
    ("score", "hits", "votes", "words"),
    [
        ([1, 2, 3], [1, 0, 1], [2, 2, 2], "4 images"),
        ([1, 2, 3, 4], [1, 0, 1, 1], [1, 1, 1, 1], "two votes or more"),
        ([1, 1, 1, 1], [1, 0, 1, 2], [2, 2, 2, 2], "does not vary"),
        ([1, 2, 3, 4], [0, 1, 2, 3], [3, 3, 3, 3], "agree in full"),
    ],
)
def test_what_says_too_little_is_refused(score, hits, votes, words):
    with pytest.raises(CurateError, match=words):
        VoteForecast(score, hits, votes)
