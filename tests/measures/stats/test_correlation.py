"""The correlation table: scipy's numbers, honest intervals, no sample counted twice, missing values never counted."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test, spearmanr

from avhcurate.measures.stats.correlation import COLUMNS, correlate, fisher_interval, remarks

LABELS = ("[0, 0.5)", "[0.5, 1]")


def voted(n, seed=0):
    """HSF of ten votes and two scores that follow it, one up, one down: (scores, hsf, bin of each sample)."""
    rng = np.random.default_rng(seed)
    hsf = rng.binomial(10, rng.beta(3, 1, n)) / 10
    scores = {"avh": rng.normal(size=n) - 2 * hsf, "confidence": rng.normal(size=n) + hsf}
    return scores, hsf, (hsf >= 0.5).astype(int)


def row(table, score, label):
    return table[(table["score"] == score) & (table["bin"] == label)].iloc[0]


@settings(max_examples=12, deadline=None)
@given(st.integers(10, 60), st.integers(0, 1000))
def test_every_row_has_scipys_correlation_and_p_value(n, seed):
    scores, hsf, index = voted(n, seed)
    table = correlate(scores, hsf, index, LABELS)
    for name, (number, label) in itertools.product(scores, enumerate(["all", *LABELS])):
        rows = slice(None) if label == "all" else index == number - 1
        found = row(table, name, label)
        assert found["n"] == len(hsf[rows])
        if found["n"] >= 10 and np.ptp(hsf[rows]) > 0:
            reference = spearmanr(scores[name][rows], hsf[rows])
            assert found["spearman"] == pytest.approx(reference.statistic, abs=1e-12)
            assert found["p_value"] == pytest.approx(reference.pvalue, rel=1e-6)
            assert found["fisher_z"] == pytest.approx(np.arctanh(reference.statistic))
            assert found["ci_low"] < found["spearman"] < found["ci_high"]


def test_missing_values_are_never_counted():
    scores, hsf, index = voted(200)
    lacking = scores["avh"].copy()
    lacking[:30] = np.nan
    unvoted = hsf.copy()
    unvoted[20:60] = np.nan
    table = correlate({"avh": lacking, "confidence": scores["confidence"]}, unvoted, index, LABELS)
    assert row(table, "avh", "all")["n"] == 140
    assert row(table, "confidence", "all")["n"] == 160
    assert row(table, "avh", "all")["spearman"] == pytest.approx(spearmanr(scores["avh"][60:], hsf[60:]).statistic)
    for name in scores:
        assert table[(table["score"] == name) & (table["bin"] != "all")]["n"].sum() == row(table, name, "all")["n"]


def test_pandas_missing_values_are_missing_and_an_infinite_loss_is_the_hardest():
    hsf = pd.Series([0.1, 0.5, pd.NA, 0.9, 0.7], dtype="Float64")
    table = correlate(pd.DataFrame({"score": pd.Series([1, pd.NA, 3, 4, 2], dtype="Int64")}), hsf)
    assert (table["n"][0], table["spearman"][0]) == (3, 1.0)
    table = correlate({"loss": [0.1, 0.2, np.inf, 0.4]}, [0.9, 0.8, 0.1, 0.7])
    assert (table["n"][0], table["spearman"][0]) == (4, -1.0)


def test_constant_and_tiny_groups_have_no_correlation_and_a_reason():
    hsf = np.array([0.1, 0.2, 0.9, 0.9, 0.9, 0.9])
    table = correlate({"avh": np.arange(6.0), "flat": np.ones(6)}, hsf, np.array([0, 0, 1, 1, 1, 1]), LABELS)
    assert remarks(table).tolist() == ["few", "too few", "constant", "constant", "too few", "constant"]
    assert table.loc[[1, 2, 3, 4, 5], list(COLUMNS[3:])].isna().all(axis=None)


def test_a_bin_of_nine_is_shown_and_marked_and_one_of_ten_is_not():
    scores, hsf, _ = voted(19, seed=4)
    table = correlate(scores, hsf, np.array([0] * 9 + [1] * 10), LABELS)
    assert table["spearman"].notna().all()
    assert remarks(table).tolist() == ["", "few", ""] * 2


def test_perfect_agreement_has_no_fisher_z_and_no_interval_and_nothing_gives_an_empty_table():
    table = correlate({"avh": np.arange(12.0)}, np.arange(12) / 12)
    assert table["spearman"][0] == 1.0
    assert table[["fisher_z", "ci_low", "ci_high"]].isna().all(axis=None)
    assert list(correlate({}, [0.1, 0.2])) == list(COLUMNS)
    assert correlate({"avh": np.zeros(0)}, np.zeros(0))["n"].tolist() == [0]


@pytest.mark.parametrize("n", [3, 5])
def test_small_samples_have_the_exact_permutation_p_value(n):
    rng = np.random.default_rng(n)
    score, hsf = rng.random(n), rng.integers(0, 4, n) / 4

    def statistic(values):
        return spearmanr(values, hsf).statistic

    exact = permutation_test((score,), statistic, permutation_type="pairings", n_resamples=np.inf)
    assert correlate({"s": score}, hsf)["p_value"][0] == pytest.approx(exact.pvalue)


def test_the_analytic_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(7)

    def draw(n):
        z = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=n)
        return z[:, 0], np.clip(np.round(4 + 3 * z[:, 1]), 0, 10)

    truth = spearmanr(*draw(200_000)).statistic
    covered = []
    for _ in range(500):
        low, high = fisher_interval(spearmanr(*draw(60)).statistic, 60)
        covered.append(low < truth < high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)
