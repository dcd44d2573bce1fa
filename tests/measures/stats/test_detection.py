"""Finding samples of a kind: AUROC by counting pairs, and its interval."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from avhcurate.measures.stats.detection import auroc


def drawn(n, seed, shift=1.0, hard=0.2):
    rng = np.random.default_rng(seed)
    wanted = rng.random(n) < hard
    return (rng.normal(size=n) + shift * wanted).round(1), wanted


def test_auroc_is_the_share_of_pairs_in_order():
    score, wanted = drawn(200, 0)
    expected = mannwhitneyu(score[wanted], score[~wanted]).statistic / (wanted.sum() * (~wanted).sum())
    assert auroc(score, wanted).value == pytest.approx(expected)


def test_the_interval_of_auroc_covers():
    truth = auroc(*drawn(100_000, 2)).value
    found = [auroc(*drawn(200, seed)) for seed in range(3, 153)]
    assert np.mean([one.low < truth < one.high for one in found]) == pytest.approx(0.95, abs=0.04)


def test_a_separation_without_a_mistake_is_not_chance_chance_is_a_half_and_a_single_kind_has_none():
    found = auroc(np.arange(400.0), np.arange(400) >= 318)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.95 < found.low < 1
    assert found.p_value < 1e-20
    score, wanted = drawn(2000, 4, shift=0.0)
    assert auroc(score, wanted).p_value > 0.05
    assert np.isnan(auroc(score, np.zeros(2000, bool))).all()
