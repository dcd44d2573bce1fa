"""Further analyses of a real table: signs, samples and formulas are those of the correlation table."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from avhcurate.datasets.curate.classes import set_parents
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.correlation.analyses import ALL_CLASSES, ANALYSES, analyse
from avhcurate.features.correlation.service import correlate, export_table
from avhcurate.measures.scores import angles
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.rank_influence import partial_spearman

KEYS = ["avh", "confidence", "norm"]


@pytest.fixture(scope="module")
def found(digits):
    return {
        key: analyse(digits.samples, digits.run, digits.votes, key, keys=KEYS) for key in ANALYSES if key != "parents"
    }


def test_every_analysis_has_the_scores_in_order_and_is_marked_simulated(found):
    for key, rows in found.items():
        expected = [name for name in KEYS if not (key in ("adding", "beyond") and name == "confidence")]
        assert (list(dict.fromkeys(rows["score"])), set(rows["hsf_source"])) == (expected, {"simulated"})


def test_what_avh_adds_to_confidence_is_turned_by_its_hard_end(digits, found):
    row = found["adding"].set_index("score").loc["avh"]
    frame = digits.samples.frame(Filters()).dropna(subset=["hsf"])
    expected = partial_spearman(*(frame[name].to_numpy(float) for name in ("avh", "hsf", "confidence")))
    assert row["partial"] == pytest.approx(-expected.value)
    assert (row["partial_low"], row["partial_high"]) == pytest.approx((-expected.high, -expected.low))
    assert row["base_partial"] > 0
    assert list(found["adding"]["partial_p_holm"]) == pytest.approx(list(holm(found["adding"]["partial_p"])))


def least_squares(frame, key, held):
    """Semipartial Spearman by regression: what is left of the ranks of a score, with those of HSF."""
    design = np.column_stack([np.ones(len(frame)), frame[held].rank()])
    ranks = frame[key].rank()
    coefficients, *_ = np.linalg.lstsq(design, ranks, rcond=None)
    return pearsonr(ranks - design @ coefficients, frame["hsf"].rank()).statistic


def test_beyond_others_a_score_follows_hsf_by_what_a_regression_leaves_of_it_overall_and_in_each_bin(digits):
    held = ["confidence", "norm"]
    rows = analyse(digits.samples, digits.run, digits.votes, "beyond", keys=["avh", "margin", "norm"], held=held)
    assert list(rows["score"].unique()) == ["avh", "margin"]
    frame = digits.samples.frame(Filters()).dropna(subset=["hsf", "avh", "margin", *held])
    for key, sign in (("avh", -1), ("margin", 1)):
        found = rows[rows["score"] == key].set_index("bin")
        assert list(found.index) == ["all", *sorted(frame["hsf_bin"].unique())]
        for label, row in found.iterrows():
            of_bin = frame[(frame["hsf_bin"] == label) | (label == "all")]
            assert row["n"] == len(of_bin)
            assert row["semipartial"] == pytest.approx(sign * least_squares(of_bin, key, held))
            assert row["spearman"] == pytest.approx(sign * spearmanr(of_bin[key], of_bin["hsf"]).statistic)
            assert row["semipartial_low"] < row["semipartial"] < row["semipartial_high"]
    for _, of_bin in rows.groupby("bin"):
        assert list(of_bin["semipartial_p_holm"]) == pytest.approx(list(holm(of_bin["semipartial_p"])))
    assert set(analyse(digits.samples, digits.run, digits.votes, "beyond", keys=["avh"], edges=(0, 0.5, 1))["bin"]) == {
        "all",
        "[0, 0.5)",
        "[0.5, 1]",
    }


def test_what_is_held_must_be_a_score_and_leave_one(digits):
    for keys, held, words in (
        (["avh"], ["avh"], "Every score is held"),
        (["avh"], [], "No score is held"),
        (["avh"], ["nothing"], "nothing"),
    ):
        with pytest.raises(CurateError, match=words):
            analyse(digits.samples, digits.run, digits.votes, "beyond", keys=keys, held=held)


def test_classes_keep_their_signs_and_have_a_mean_between_them(digits, found):
    rows = found["classes"]
    assert list(rows.columns[:8]) == ["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"]
    avh = rows[rows["score"] == "avh"].set_index("class")
    frame = digits.samples.frame(Filters(classes=(3,)))
    assert avh.loc["3", "spearman"] == pytest.approx(spearmanr(frame["avh"], frame["hsf"]).statistic)
    single = avh.drop(ALL_CLASSES)
    mean = avh.loc[ALL_CLASSES]
    z = np.arctanh(single["spearman"])
    reach = 2.262 * z.std(ddof=1) / 10**0.5  # Student's quantile of nine degrees
    expected = np.tanh([z.mean(), z.mean() - reach, z.mean() + reach])
    assert mean[["spearman", "ci_low", "ci_high"]].tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    assert (mean["classes"], mean["n"]) == (len(single), single["n"].sum())
    assert list(single["p_holm"]) == pytest.approx(list(holm(single["p_value"])))


def test_hard_samples_are_found_by_scores_turned_towards_hard(digits, found):
    hard = found["hard"].set_index("score")
    assert hard.loc["confidence", "hard"] == (digits.samples.frame(Filters())["hsf"] < 0.5).sum()
    assert (hard["auroc"] > 0.5).all()


def test_hsf_and_avh_of_parents_are_compared_with_those_of_classes(own_digits, tmp_path):
    parents = [number % 2 for number in range(10)]
    rows = pd.DataFrame({"class": map(str, range(10)), "parent": np.array(["even", "odd"])[parents]})
    rows.to_csv(tmp_path / "parents.csv", index=False)
    set_parents(own_digits.decisions, own_digits.workspace, str(tmp_path / "parents.csv"))
    opened = open_dataset(own_digits.workspace, "digits")
    rows = analyse(opened.samples, opened.run, opened.votes, "parents", keys=["confidence"]).set_index("score")
    frame = opened.samples.frame(Filters())
    counts = np.stack(opened.votes.by_sample()["counts"].to_list())
    same = np.equal.outer(frame["label"].to_numpy(int) % 2, parents)
    hsf = (counts * same).sum(axis=1) / counts.sum(axis=1)
    theta = angles(opened.run.features_of(frame["id"].to_numpy()), opened.run.class_weights())
    nearest = np.where(same, theta, 9).min(axis=1)
    avh = nearest / (nearest + np.where(same, 9, theta).min(axis=1))
    assert rows.loc["avh_parent", "hsf_parent"] == pytest.approx(-spearmanr(avh, hsf).statistic)
    assert rows.loc["avh_parent", "hsf"] == pytest.approx(-spearmanr(avh, frame["hsf"]).statistic)
    assert rows.loc["avh", "hsf_parent"] == pytest.approx(-spearmanr(frame["avh"], hsf).statistic)
    gap = rows.loc["avh_parent", "hsf_parent"] - rows.loc["avh", "hsf_parent"]
    assert rows.loc["avh_parent", "over_avh"] == pytest.approx(gap)
    assert rows.loc["avh_parent", "over_avh_low"] < gap < rows.loc["avh_parent", "over_avh_high"]
    assert (rows["n"] == len(frame)).all()


def test_filters_narrow_and_what_cannot_be_analysed_is_refused(digits):
    of_test = Filters(splits=("test",))
    assert analyse(digits.samples, digits.run, digits.votes, "hard", keys=["avh"], filters=of_test)["n"].iloc[
        0
    ] == digits.samples.count(of_test)
    for analysis, words in (("x", "Unknown analysis x"), ("parents", "classes have no parents")):
        with pytest.raises(CurateError, match=words):
            analyse(digits.samples, digits.run, digits.votes, analysis)


def test_the_exported_table_has_holm_and_the_correlation_over_the_ceiling(digits):
    result = correlate(digits.samples, digits.run, digits.votes, keys=KEYS)
    table = export_table(result)
    assert list(table.columns[:8]) == list(result.table.columns)
    of_all = table[table["bin"] == "all"]
    assert list(of_all["p_holm"]) == pytest.approx(list(holm(of_all["p_value"])))
    row = of_all.iloc[0]
    assert row["disattenuated"] == pytest.approx(row["spearman"] / result.ceiling.ceiling)
    assert row["disattenuated_low"] < row["disattenuated"] < row["disattenuated_high"] < 0
    width = (row["ci_high"] - row["ci_low"]) / result.ceiling.ceiling
    assert row["disattenuated_high"] - row["disattenuated_low"] == pytest.approx(width, rel=0.1)
    assert table.loc[table["bin"] != "all", "disattenuated"].isna().all()


def test_the_ceiling_is_that_of_the_samples_in_view_and_none_where_they_are_chosen_by_hsf(digits):
    whole = correlate(digits.samples, digits.run, digits.votes, keys=["avh"]).ceiling
    threes = correlate(digits.samples, digits.run, digits.votes, keys=["avh"], filters=Filters(classes=(3,))).ceiling
    assert threes.samples == digits.samples.count(Filters(classes=(3,))) < whole.samples
    assert whole.ceiling == pytest.approx(0.96, abs=0.01)
    for chosen in (Filters(hsf_bins=(4,)), Filters(where="HSF > 0.5"), Filters(ranges=(("hsf", 0.5, np.inf),))):
        assert (
            "chosen by their HSF"
            in correlate(digits.samples, digits.run, digits.votes, keys=["avh"], filters=chosen).ceiling.reason
        )
