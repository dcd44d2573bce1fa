"""Further analyses of a real table: signs, samples and formulas are those of the correlation table."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.correlation import analyses
from avhcurate.features.correlation.analyses import ALL_CLASSES, ANALYSES, analyse
from avhcurate.features.correlation.service import correlate, export_table
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.rank_influence import partial_spearman

KEYS = ["avh", "confidence", "norm"]


@pytest.fixture(scope="module")
def found(digits):
    return {key: analyse(digits, key, keys=KEYS) for key in ANALYSES if key != "annotators"}


def test_every_analysis_has_the_scores_in_order_and_is_marked_simulated(found):
    for key, rows in found.items():
        expected = [name for name in KEYS if (key, name) != ("adding", "confidence")]
        assert (list(dict.fromkeys(rows["score"])), set(rows["hsf_source"])) == (expected, {"simulated"})


def test_what_avh_adds_to_confidence_is_turned_by_its_hard_end(digits, found):
    row = found["adding"].set_index("score").loc["avh"]
    frame = digits.frame(Filters()).dropna(subset=["hsf"])
    expected = partial_spearman(*(frame[name].to_numpy(float) for name in ("avh", "hsf", "confidence")))
    assert row["partial"] == pytest.approx(-expected.partial.value)
    assert (row["partial_low"], row["partial_high"]) == pytest.approx((-expected.partial.high, -expected.partial.low))
    assert row["base_partial"] > 0
    assert list(found["adding"]["partial_p_holm"]) == pytest.approx(list(holm(found["adding"]["partial_p"])))


def test_classes_keep_their_signs_and_have_a_mean_between_them(digits, found):
    rows = found["classes"]
    assert list(rows.columns[:8]) == ["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"]
    avh = rows[rows["score"] == "avh"].set_index("class")
    frame = digits.frame(Filters(classes=(3,)))
    assert avh.loc["3", "spearman"] == pytest.approx(spearmanr(frame["avh"], frame["hsf"]).statistic)
    single = avh.drop(ALL_CLASSES)
    mean = avh.loc[ALL_CLASSES]
    assert single["spearman"].min() < mean["spearman"] < single["spearman"].max()
    assert mean["ci_low"] < mean["spearman"] < mean["ci_high"]
    assert (mean["classes"], mean["n"]) == (len(single), single["n"].sum())
    assert list(single["p_holm"]) == pytest.approx(list(holm(single["p_value"])))


def test_hard_samples_are_found_by_scores_turned_towards_hard(digits, found):
    hard = found["hard"].set_index("score")
    assert hard.loc["confidence", "hard"] == (digits.frame(Filters())["hsf"] < 0.5).sum()
    assert (hard["auroc"] > 0.5).all()


def test_an_interval_over_annotators_holds_the_agreement_and_covers_that_of_other_annotators():
    """Resamples of annotators have a noisier HSF: their percentiles hold neither (0 and 1 of 20 trials)."""
    rng, held = np.random.default_rng(0), []
    for _ in range(10):
        easy, panels = rng.normal(size=300), []
        score = easy + 0.7 * rng.normal(size=300)
        for _ in range(9):
            strict = 0.5 * rng.normal(size=10)
            panels.append(rng.random((300, 10)) < 1 / (1 + np.exp(-1 - 1.2 * easy[:, None] - strict)))
        found, *others = (spearmanr(score, panel.mean(axis=1)).statistic for panel in panels)
        times = [np.bincount(rng.integers(10, size=10), minlength=10) for _ in range(60)]
        drawn = [spearmanr(score, panels[0] @ one).statistic for one in times]
        low, high = analyses.spread_around(found, drawn)
        assert low < found < high
        assert not np.quantile(drawn, 0.025) < found < np.quantile(drawn, 0.975)
        held.append(low < np.mean(others) < high)
    assert sum(held) >= 8


def test_filters_narrow_and_what_cannot_be_analysed_is_refused(digits):
    of_test = Filters(splits=("test",))
    assert analyse(digits, "hard", keys=["avh"], filters=of_test)["n"].iloc[0] == digits.count(of_test)
    for analysis, words in (("x", "Unknown analysis x"), ("annotators", "annotators of imported votes are not known")):
        with pytest.raises(CurateError, match=words):
            analyse(digits, analysis)


def test_the_exported_table_has_holm_and_the_correlation_over_the_ceiling(digits):
    result = correlate(digits, keys=KEYS)
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
    whole = correlate(digits, keys=["avh"]).ceiling
    threes = correlate(digits, keys=["avh"], filters=Filters(classes=(3,))).ceiling
    assert threes.samples == digits.count(Filters(classes=(3,))) < whole.samples
    assert whole.ceiling == pytest.approx(0.96, abs=0.01)
    for chosen in (Filters(hsf_bins=(4,)), Filters(where="HSF > 0.5"), Filters(ranges=(("hsf", 0.5, np.inf),))):
        assert "chosen by their HSF" in correlate(digits, keys=["avh"], filters=chosen).ceiling.reason
