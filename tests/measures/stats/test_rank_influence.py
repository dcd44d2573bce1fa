"""Influence of samples on Spearman: the jackknife by leaving each out, the spread over samples."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from avhcurate.measures.stats.rank_influence import estimate, spearman_influence


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
