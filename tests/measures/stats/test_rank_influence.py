"""Influence of samples on Spearman, by leaving each out; partial and semipartial, by regression of ranks."""

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from avhcurate.measures.stats.rank_influence import estimate, partial_spearman, semipartial_spearman, spearman_influence


def tied(n, seed=0):
    """Two variables of some dozen values each."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 12, n).astype(float)
    return x, x + rng.integers(0, 20, n)


def test_the_influence_is_what_leaving_a_sample_out_changes():
    x, y = tied(80)
    rho, influence = spearman_influence(x, y)
    whole = spearmanr(x, y).statistic
    without = [spearmanr(np.delete(x, i), np.delete(y, i)).statistic for i in range(80)]
    assert rho == pytest.approx(whole)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    assert influence == pytest.approx(79 * (whole - np.array(without)), abs=0.05)


def test_the_standard_error_is_the_spread_over_samples():
    found = [spearman_influence(*tied(200, seed)) for seed in range(200)]
    error = np.mean([estimate(rho, influence).error for rho, influence in found])
    assert error == pytest.approx(np.std([rho for rho, _ in found]), rel=0.15)
    truth = spearmanr(*tied(200_000, 1)).statistic
    inside = [one.low < truth < one.high for one in (estimate(rho, influence) for rho, influence in found)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)


def test_a_constant_has_no_influence_and_what_nothing_moves_has_no_p():
    rho, influence = spearman_influence(np.ones(5), np.arange(5.0))
    assert np.isnan([rho, *influence]).all()
    assert np.isnan(estimate(1.0, np.zeros(5)).p_value)
    assert estimate(0.0, np.zeros(5)).p_value == 1


def three(n, seed, adds=0.0):
    """x, y, z: both follow z, and x says `adds` more of y."""
    rng = np.random.default_rng(seed)
    z, own = rng.normal(size=(2, n))
    x = z + own
    return x, (z + adds * own + rng.normal(size=n)).round(1), z


def residual(values, given):
    """What a regression on `given` leaves of ranks."""
    y, x = rankdata(values), rankdata(given)
    slope, intercept = np.polyfit(x, y, 1)
    return y - slope * x - intercept


def test_it_is_the_correlation_of_what_regressions_of_ranks_leave():
    x, y, z = three(300, 0, adds=0.4)
    found = partial_spearman(x, y, z)
    left = residual(x, z)
    assert found.value == pytest.approx(np.corrcoef(left, residual(y, z))[0, 1])


@pytest.mark.parametrize("adds", [0.0, 0.5])
def test_the_intervals_cover_the_truth_and_nothing_is_found_where_nothing_is_added(adds):
    truth = partial_spearman(*three(200_000, 1, adds))
    found = [partial_spearman(*three(150, seed, adds)) for seed in range(2, 152)]
    assert np.mean([one.low < truth.value < one.high for one in found]) == pytest.approx(0.95, abs=0.04)
    clear = np.mean([one.p_value < 0.05 for one in found])
    assert clear > 0.9 if adds else clear < 0.09


def test_a_score_that_ranks_as_the_other_has_none():
    x, y, _ = three(50, 3)
    assert np.isnan(partial_spearman(x, y, 2 * x)).all()
    for few in (0, 1, 4):
        assert np.isnan(partial_spearman(x[:few], y[:few], y[:few])).all()
    assert np.isnan(partial_spearman(x, np.ones(50), y)).all()


def four(n, seed, adds=0.0):
    """x, y, and two that x and y follow: x says `adds` more of y. Of a dozen values each, with ties."""
    x, y, z = three(n, seed, adds)
    other = np.random.default_rng(seed + 10_000).normal(size=n)
    return (x + other / 2).round(), (y + other).round(), np.array([z.round(1), (other + z / 2).round(1)])


def least_squares(x, y, held):
    """Semipartial Spearman by regression: what is left of the ranks of x, with the ranks of y."""
    design = np.column_stack([np.ones(len(x)), *map(rankdata, held)])
    ranks = rankdata(x)
    coefficients, *_ = np.linalg.lstsq(design, ranks, rcond=None)
    return pearsonr(ranks - design @ coefficients, rankdata(y)).statistic


@pytest.mark.parametrize("count", [1, 2])
def test_semipartial_is_the_correlation_with_what_a_regression_of_ranks_leaves(count):
    x, y, held = four(300, 0, adds=0.4)
    held = held[:count]
    found = semipartial_spearman(x, y, held)
    assert found.value == pytest.approx(least_squares(x, y, held))


def semipartial_change(x, y, held):
    """How far leaving out each sample moves it."""
    whole = least_squares(x, y, held)
    return np.array(
        [whole - least_squares(np.delete(x, i), np.delete(y, i), np.delete(held, i, axis=1)) for i in range(len(x))]
    )


def test_the_error_of_semipartial_is_that_of_leaving_samples_out():
    x, y, held = four(200, 3, adds=0.4)
    changes = semipartial_change(x, y, held)
    jackknife = np.sqrt(np.sum((changes - changes.mean()) ** 2) * 199 / 200)
    assert semipartial_spearman(x, y, held).error == pytest.approx(jackknife, rel=0.05)


@pytest.mark.parametrize("adds", [0.0, 0.6])
def test_semipartial_intervals_cover_the_truth_and_nothing_is_found_where_nothing_is_added(adds):
    truth = semipartial_spearman(*four(200_000, 1, adds))
    found = [semipartial_spearman(*four(150, seed, adds)) for seed in range(2, 202)]
    assert np.mean([one.low < truth.value < one.high for one in found]) == pytest.approx(0.95, abs=0.04)
    clear = np.mean([one.p_value < 0.05 for one in found])
    assert clear > 0.8 if adds else clear < 0.12


def test_what_ranks_as_one_of_those_held_adds_nothing_and_a_second_of_a_kind_changes_nothing():
    x, y, held = four(50, 3)
    assert np.isnan(semipartial_spearman(np.exp(held[0]), y, held)).all()
    twice = semipartial_spearman(x, y, np.array([*held, 2 * held[0]]))
    assert twice == pytest.approx(semipartial_spearman(x, y, held))
    assert np.isnan(semipartial_spearman(x, np.ones(50), held)).all()
    assert np.isnan(semipartial_spearman(x, y, np.ones((1, 50)))).all()
    assert np.isnan(semipartial_spearman(x[:11], y[:11], held[:, :11])).all()
