"""Correlations with the level, equal to scipy's one by one with ties and gaps in their place; curves, and a figure."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from avhcurate.lab.degradation.plots import curve_panels
from avhcurate.lab.degradation.statistics import (
    curves,
    level_correlations,
    median_interval,
    spearman_with_level,
    summarise,
)


def rows_of(values, *, correct=None):
    """Rows of images with these scores (images, levels) of a kind `blur`, level 0 apart as in a stored table."""
    n, levels = values.shape
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(n), levels),
            "level": np.tile(np.arange(levels), n),
            "avh": values.ravel(),
            "correct": 1.0 if correct is None else np.asarray(correct, float).ravel(),
        }
    )
    frame["kind"] = np.where(frame["level"] == 0, "none", "blur")
    return frame


def test_spearman_equals_scipys_on_untied_and_tied_scores():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(20, 8)), rng.integers(0, 3, (20, 8))])
    expected = [stats.spearmanr(row, np.arange(8)).statistic for row in values]
    np.testing.assert_allclose(spearman_with_level(values), expected, atol=1e-12)
    found = spearman_with_level(np.array([[1.0, 1, 1], [1, np.nan, 2], [1, 2, np.inf]]))
    assert np.isnan(found[:2]).all()
    assert found[2] == pytest.approx(1)


def test_the_summary_counts_what_goes_the_expected_way_and_leaves_constants_out():
    values = np.array([[1.0, 2, 3]] * 7 + [[3.0, 2, 1]] * 3 + [[2.0, 2, 2]] * 4 + [[1.0, np.nan, 2]])
    rhos = level_correlations(rows_of(values), ["avh"])
    (up,) = summarise(rhos, {"avh": 1}).to_dict("records")
    assert (up["n"], up["median"], up["expected"]) == (10, 1.0, 0.7)
    p, n, z = 0.7, 10, stats.norm.ppf(0.975)
    centre, reach = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    wilson = [(centre - reach) / (1 + z * z / n), (centre + reach) / (1 + z * z / n)]
    assert [up["expected_low"], up["expected_high"]] == pytest.approx(wilson)
    (down,) = summarise(rhos, {"avh": -1}).to_dict("records")
    assert (down["median"], down["expected"]) == (1.0, pytest.approx(0.3))


def test_the_medians_interval_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(1)
    ends = np.array([median_interval(draw) for draw in rng.exponential(size=(2000, 30))])
    held = ((ends[:, 0] <= math.log(2)) & (math.log(2) <= ends[:, 1])).mean()
    assert 0.95 <= held < 0.98
    assert np.isnan(median_interval(np.arange(5.0))).all()
    assert median_interval(np.arange(6.0)) == (0, 5)


def test_curves_are_means_with_students_interval_and_groups_have_their_own():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(12, 3)) + np.arange(3)
    values[3, 1] = np.nan
    table = curves(rows_of(values), ["avh"], {"low": np.arange(6), "high": np.arange(6, 12)})
    row = table[(table["group"] == "low") & (table["level"] == 1)].iloc[0]
    of_group = values[[0, 1, 2, 4, 5], 1]
    expected = stats.t.interval(0.95, 4, of_group.mean(), stats.sem(of_group))
    assert (row["n"], row["mean"]) == (5, pytest.approx(of_group.mean()))
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(expected)
    assert len(table) == 6


def test_accuracy_is_the_share_of_right_predictions_among_labelled_images():
    correct = np.array([[1, 1], [1, 0], [1, 0], [1, np.nan]])
    table = curves(rows_of(np.ones((4, 2)), correct=correct), ["accuracy"], {"all": np.arange(4)})
    assert table["n"].tolist() == [4, 3]
    assert table["mean"].tolist() == pytest.approx([1, 1 / 3])
    assert ((table["ci_low"] <= table["mean"]) & (table["mean"] <= table["ci_high"] + 1e-9)).all()


STRENGTHS = {"contrast": (0.5, 0.1), "jpeg": (50, 10)}


@pytest.fixture
def degraded():
    rng = np.random.default_rng(0)
    parts = [pd.DataFrame({"id": range(30), "kind": "none", "level": 0})]
    parts += [pd.DataFrame({"id": range(30), "kind": kind, "level": level}) for kind in STRENGTHS for level in (1, 2)]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(avh=table["level"] / 10 + rng.normal(0, 0.01, len(table)), correct=1.0)


def test_a_panel_a_kind_and_measure_has_the_means_from_level_0_on(degraded):
    table = curves(degraded, ["avh", "accuracy"], {"all": np.arange(30)})
    figure = curve_panels(table, STRENGTHS)
    assert len(figure.data) == 4
    line = figure.data[0]
    of_kind = table[(table["kind"] == "contrast") & (table["measure"] == "avh")]
    assert list(line.x) == [0, 1, 2]
    np.testing.assert_allclose(line.y, of_kind["mean"])
    np.testing.assert_allclose(line.error_y.array, of_kind["ci_high"] - of_kind["mean"])
    titles = {note.text for note in figure.layout.annotations}
    assert titles == {"Contrast", "JPEG", "AVH", "Accuracy"}
    assert list(figure.layout.xaxis4.ticktext) == ["–", "50", "10"]
    assert not figure.layout.showlegend


def test_bins_are_lines_of_their_own_named_once(degraded):
    groups = {"[0, 0.5)": np.arange(10), "[0.5, 1]": np.arange(10, 30)}
    figure = curve_panels(curves(degraded, ["avh"], groups), STRENGTHS)
    assert [trace.name for trace in figure.data if trace.showlegend] == list(groups)
    assert len({trace.line.color for trace in figure.data}) == 2
    assert len(figure.data) == 4
