"""Correlation of arrays alone: the numbers are scipy's, and of two scores the one that follows people is told."""

import numpy as np
import pytest
from scipy.stats import spearmanr

import avhcurate
from avhcurate.errors import CurateError


def test_numbers_are_scipys_over_all_and_in_each_bin_and_the_closer_score_is_told():
    rng = np.random.default_rng(0)
    hsf = rng.binomial(20, rng.random(2000)) / 20
    hsf[:50] = np.nan
    scores = {"avh": -hsf + rng.normal(scale=0.2, size=2000), "confidence": hsf + rng.normal(scale=0.6, size=2000)}
    found = avhcurate.correlation(scores, hsf, edges=(0, 0.5, 1), harder={"avh": "high", "confidence": "low"})
    rows = found.table.set_index(["score", "bin"])["spearman"]
    known = ~np.isnan(hsf)
    within = {"all": known, "[0, 0.5)": known & (hsf < 0.5), "[0.5, 1]": known & (hsf >= 0.5)}
    for name, values in scores.items():
        for label, chosen in within.items():
            assert rows[name, label] == pytest.approx(spearmanr(values[chosen], hsf[chosen]).statistic)
    (pair,) = found.pairs.to_dict("records")
    assert (pair["first"], pair["second"]) == ("avh", "confidence")
    assert pair["difference"] > 0
    assert pair["p_holm"] < 1e-6


def test_edges_that_do_not_rise_are_refused():
    with pytest.raises(CurateError):
        avhcurate.correlation({"avh": [1, 2]}, [0, 1], edges=(0, 0.5, 0.5, 1))
