"""How many more votes or samples: what is promised comes true when simulated, and what votes cannot do is said."""

import numpy as np
import pytest
from scipy.stats import norm, spearmanr

from avhcurate.errors import CurateError
from avhcurate.stats.correlation import fisher_interval
from avhcurate.stats.sample_size import expected_rho, spearman_brown, votes_needed
from avhcurate.votes import reliability


def study(samples, votes, *, seed, link=0.6, a=3.0, b=1.5):
    """A score, and votes whose chance it follows with noise of its own: (score, selected, shown)."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=samples)
    score = link * hidden + np.sqrt(1 - link**2) * rng.normal(size=samples)
    chance = np.clip(norm.cdf(hidden) ** (b / a), 0.02, 0.98)
    return score, rng.binomial(votes, chance), np.full(samples, votes)


def measured(samples, votes, seeds, **options):
    found = []
    for seed in seeds:
        score, selected, shown = study(samples, votes, seed=seed, **options)
        found.append(spearmanr(score, selected / shown).statistic)
    return np.array(found)


@pytest.mark.parametrize("factor", [2, 4, 10])
def test_the_correlation_with_more_votes_is_foretold(factor):
    score, selected, shown = study(60_000, 5, seed=0)
    now = spearmanr(score, selected / shown).statistic
    trust = reliability.of_ticks(selected, shown, splits=20).reliability
    more = measured(60_000, 5 * factor, [1]).item()
    assert expected_rho(now, trust, factor) == pytest.approx(more, abs=0.015)


def test_the_votes_asked_for_make_the_interval_as_narrow_as_asked():
    """Simulated studies with that many votes scatter as the promised width says, and those with the present do not."""
    score, selected, shown = study(20_000, 3, seed=2, link=0.8)
    now = spearmanr(score, selected / shown).statistic
    trust = reliability.of_ticks(selected, shown, splits=20).reliability
    need = votes_needed(now, 300, reliability=trust, votes=3, width=0.12)
    assert need.votes_needed is not None
    assert need.votes_needed > 3
    each = (measured(300, votes, range(300), link=0.8) for votes in (3, need.votes_needed))
    spread = [np.ptp(np.quantile(found, [0.025, 0.975])) for found in each]
    assert spread[1] == pytest.approx(0.12, rel=0.2)
    assert spread[0] > 1.15 * 0.12
    then = expected_rho(now, trust, need.votes_needed / 3)
    assert measured(300, need.votes_needed, range(100), link=0.8).mean() == pytest.approx(then, abs=0.02)


def test_the_samples_asked_for_do_so_too():
    score, selected, shown = study(20_000, 5, seed=3)
    now = spearmanr(score, selected / shown).statistic
    need = votes_needed(now, 200, reliability=0.7, votes=5, width=0.15)
    low, high = fisher_interval(now, need.samples_needed)
    assert high - low <= 0.15
    low, high = fisher_interval(now, need.samples_needed - 1)
    assert high - low > 0.15
    spread = np.ptp(np.quantile(measured(need.samples_needed, 5, range(300)), [0.025, 0.975]))
    assert spread == pytest.approx(0.15, rel=0.2)


def test_more_votes_cannot_replace_samples():
    need = votes_needed(0.35, 100, reliability=0.6, votes=10, width=0.2)
    assert need.votes_needed is None
    assert need.more_votes is None
    assert need.width_at_best > 0.2


def test_an_interval_that_is_narrow_already_needs_nothing():
    need = votes_needed(0.35, 10_000, reliability=0.6, votes=10, width=0.2)
    assert (need.votes_needed, need.more_votes, need.samples_needed) == (10, 0, 10_000)


def test_the_sign_is_nothing_to_it():
    plus, minus = (votes_needed(rho, 400, reliability=0.5, votes=5, width=0.14) for rho in (0.5, -0.5))
    assert (plus.votes_needed, plus.samples_needed) == (minus.votes_needed, minus.samples_needed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rho": 1.0}, "no interval"),
        ({"rho": float("nan")}, "no interval"),
        ({"samples": 3}, "4 samples"),
        ({"reliability": 0.0}, "collect a few"),
        ({"reliability": float("nan")}, "collect a few"),
        ({"width": 0.0}, "width"),
    ],
)
def test_what_says_too_little_is_refused(change, words):
    usual = {"rho": 0.5, "samples": 100, "reliability": 0.5, "votes": 5, "width": 0.1} | change
    with pytest.raises(CurateError, match=words):
        votes_needed(usual.pop("rho"), usual.pop("samples"), **usual)


def test_spearman_brown_predicts_the_reliability_of_more_votes():
    trust = [reliability.of_ticks(*study(20_000, votes, seed=10)[1:], splits=20).reliability for votes in (6, 24)]
    assert spearman_brown(trust[0], 4) == pytest.approx(trust[1], abs=0.02)
    assert spearman_brown(0.3, float("inf")) == 1
    with pytest.raises(CurateError, match="between 0 and 1"):
        spearman_brown(1.2, 2)
