"""Comparing dependent correlations: published numbers, error rates by simulation, signs, the bootstrap as a check."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from avhcurate.measures.stats import correlation_tests
from avhcurate.measures.stats.correlation import correlate
from avhcurate.measures.stats.correlation_tests import Comparison, compare, meng_rosenthal_rubin
from avhcurate.measures.stats.ranks import Scratch

#: Output of the R package cocor (Diedenhofen and Musch 2015) for published data sets, rounded there to four digits:
#: (first, second, between, n) and (Meng z, its interval).
COCOR = [
    ((0.8066, 0.2383, 0.2255, 177), (8.3907, 0.6700, 1.0784)),
    ((-0.1741, 0.2015, 0.3734, 646), (-8.5080, -0.4678, -0.2926)),
    ((0.7245, 0.7108, 0.8972, 15549), (5.5496, 0.0182, 0.0381)),
]


@pytest.mark.parametrize(("given", "published"), COCOR)
def test_the_test_gives_the_published_numbers(given, published):
    # The inputs are rounded to four digits, so a difference of 0.0137 is known to one in 150 only.
    found = meng_rosenthal_rubin(*given)
    slack = 0.0002 / abs(given[0] - given[1])
    assert (found.z, found.ci_low, found.ci_high) == pytest.approx(published, rel=slack, abs=6e-4)


@pytest.mark.parametrize("broken", [(1.0, 0.3, 0.3, 50), (0.3, float("nan"), 0.2, 50), (0.3, 0.2, 0.1, 3)])
def test_where_the_test_does_not_exist_it_is_missing(broken):
    found = meng_rosenthal_rubin(*broken)
    assert np.isnan([found.z, found.p_value, found.ci_low]).all()
    constant = {"flat": np.ones(50), "up": np.arange(50)}
    table = compare(constant, scores_of(50)[1], harder={"flat": "high", "up": "high"})
    assert table[["first_agreement", "z", "p_value"]].isna().all(axis=None)


def simulated(first, second, between, *, n, datasets, levels=None, seed=0):
    """Tests on data sets of `n` normal triples with these correlations; with `levels`, HSF is coarse and piled at 1."""
    rng = np.random.default_rng(seed)
    matrix = [[1, first, second], [first, 1, between], [second, between, 1]]
    data = rng.normal(size=(datasets, n, 3)) @ np.linalg.cholesky(matrix).T
    if levels:
        data[..., 0] = np.clip(np.round((data[..., 0] + 1.5) * levels / 3), 0, levels)
    ranks = rankdata(data, axis=1) - (n + 1) / 2
    ranks /= np.linalg.norm(ranks, axis=1, keepdims=True)
    pairs = [np.einsum("di,di->d", ranks[..., i], ranks[..., j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    return [meng_rosenthal_rubin(*correlations, n) for correlations in zip(*pairs, strict=True)]


@pytest.mark.parametrize(("rho", "between", "levels"), [(0.3, 0.8, None), (0.36, 0.95, 10)])
def test_equal_correlations_are_called_different_one_time_in_twenty(rho, between, levels):
    tests = simulated(rho, rho, between, n=150, datasets=1000, levels=levels)
    assert np.mean([t.p_value < 0.05 for t in tests]) == pytest.approx(0.05, abs=0.02)


def test_the_interval_covers_the_true_difference():
    # Of normal variables, Spearman is 6/pi asin(rho / 2).
    truth = np.subtract(*np.arctanh(6 / np.pi * np.arcsin(np.array([0.5, 0.3]) / 2)))
    tests = simulated(0.5, 0.3, 0.8, n=150, datasets=1000)
    assert np.mean([t.ci_low < truth < t.ci_high for t in tests]) == pytest.approx(0.95, abs=0.02)


def scores_of(n, seed=0):
    """A good hardness score, its confidence twin, a poor one; and HSF of ten votes."""
    rng = np.random.default_rng(seed)
    easy = rng.normal(size=n)
    hsf = rng.binomial(10, 1 / (1 + np.exp(-easy - 1))) / 10
    avh = -easy + 0.3 * rng.normal(size=n)
    return {"avh": avh, "confidence": -avh + 0.3 * rng.normal(size=n), "norm": rng.normal(size=n)}, hsf


HARDER = {"avh": "high", "confidence": "low", "norm": "low"}


def test_scores_that_run_opposite_ways_are_compared_by_what_they_say_of_hardness():
    scores, hsf = scores_of(400)
    table = compare(scores, hsf, harder=HARDER).set_index(["first", "second"])
    avh = spearmanr(scores["avh"], hsf).statistic
    confidence = spearmanr(scores["confidence"], hsf).statistic
    assert avh < 0 < confidence
    pair = table.loc[("avh", "confidence")]
    assert pair["first_agreement"] == pytest.approx(-avh)
    assert pair["second_agreement"] == pytest.approx(confidence)
    assert pair["between"] == pytest.approx(-spearmanr(scores["avh"], scores["confidence"]).statistic)
    assert 0 < pair["difference"] == pytest.approx(np.arctanh(-avh) - np.arctanh(confidence))


def test_a_score_that_says_the_opposite_of_people_is_worse_than_one_that_says_nothing():
    scores, hsf = scores_of(400)
    table = compare({"wrong": -scores["avh"], "norm": scores["norm"]}, hsf, harder={"wrong": "high", "norm": "low"})
    assert table["first_agreement"][0] < -0.4
    assert table["difference"][0] < 0
    assert table["p_value"][0] < 1e-6


def test_every_pair_is_tested_once_on_the_samples_that_have_all_three_values():
    scores, hsf = scores_of(100)
    scores["norm"][:10] = np.nan
    hsf[5:15] = np.nan
    table = compare(scores, hsf, harder=HARDER)
    assert list(zip(table["first"], table["second"], table["n"], strict=True)) == [
        ("avh", "confidence", 90),
        ("avh", "norm", 85),
        ("confidence", "norm", 85),
    ]
    shared = slice(15, None)
    expected = -spearmanr(scores["avh"][shared], hsf[shared]).statistic
    assert table["first_agreement"][1] == pytest.approx(expected)
    ranks = Scratch()
    correlate(scores, hsf, ranks=ranks)
    pd.testing.assert_frame_equal(compare(ranks, hsf, harder=HARDER, ranked=True), table)
    # Without HSF a pair is compared on the samples that have both scores.
    alone = compare(scores, np.zeros(100), harder=HARDER)
    expected = pd.DataFrame(scores).corr("spearman")
    assert alone["between"].tolist() == pytest.approx(
        [-expected.loc["avh", "confidence"], -expected.loc["avh", "norm"], expected.loc["confidence", "norm"]]
    )


# --- scores that agree but for a few samples ------------------------------------------------------------------


def twins(rng, n, share):
    """Two scores that are the same but for a share of the samples, where both are equally noise; HSF of ten votes."""
    easy = rng.normal(size=n)
    hsf = rng.binomial(10, 1 / (1 + np.exp(-1.5 * easy - 2))) / 10
    first = easy + rng.normal(size=n)
    second, differ = first.copy(), rng.random(n) < share
    first[differ], second[differ] = 2 * rng.normal(size=(2, differ.sum()))
    return {"one": first, "two": second}, hsf


def test_the_standard_error_by_ranks_is_used_where_it_differs():
    rng = np.random.default_rng(8)
    scores, hsf = twins(rng, 400, 0.05)
    fields = compare(scores, hsf, harder=dict.fromkeys(scores, "low")).iloc[0].drop(["first", "second"])
    pair = Comparison(*fields)
    assert pair.by_ranks
    assert pair.z == pytest.approx(pair.difference / pair.rank_error)
    assert pair.ci_high - pair.ci_low == pytest.approx(2 * 1.959964 * pair.rank_error)
    alike = meng_rosenthal_rubin(0.5, 0.3, 0.6, 80)
    assert not alike.by_ranks  # there were no samples


def test_very_many_samples_are_judged_by_some_of_them(monkeypatch):
    scores, hsf = scores_of(4000, seed=3)
    whole = compare(scores, hsf, harder=HARDER).iloc[0]
    monkeypatch.setattr(correlation_tests, "_MOST", 1000)
    some = compare(scores, hsf, harder=HARDER).iloc[0]
    assert some["rank_error"] == pytest.approx(whole["rank_error"], rel=0.15)
