"""Rules side by side over seeds: means, intervals and paired differences, by scipy on the reports themselves."""

import shutil

import numpy as np
import pytest
from scipy import stats

from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.self_training import results
from avhcurate.self_training.plots import curves, stroke
from avhcurate.self_training.results import by_variant, courses, side_by_side, source_only
from avhcurate.stats.multiple_testing import holm


@pytest.fixture(scope="module")
def found(self_trained_root):
    """Confidence and AVC with two seeds each."""
    every = results.trainings(Workspace(self_trained_root), "digits")
    return by_variant([folder for folder in every if folder.record.rule != "mrkld"])


def reports(found, rule, number):
    folders = next(folders for variant, folders in found.items() if variant.rule == rule)
    return [folder.report(number) for folder in folders]


def test_variants_are_in_the_order_of_the_rules_with_every_seed_once(found, self_trained_root):
    assert [(variant.rule, variant.usual) for variant in found] == [("confidence", True), ("avc", True)]
    assert [[folder.record.seed for folder in folders] for folders in found.values()] == [[0, 1], [0, 1]]
    every = results.trainings(Workspace(self_trained_root), "digits")
    assert by_variant([*every, *every]) == by_variant(every)


def test_means_and_intervals_over_seeds_are_those_of_students_t(found):
    row = side_by_side(found).set_index("line").loc[1]
    values = [report.accuracy.value for report in reports(found, "avc", 3)]
    low, high = stats.t.interval(0.95, 1, np.mean(values), stats.sem(values))
    np.testing.assert_allclose(
        [row["accuracy"], row["accuracy_low"], row["accuracy_high"]], [np.mean(values), low, high]
    )
    first = [report.precision.value for report in reports(found, "avc", 1)]
    assert row["precision_first"] == pytest.approx(np.mean(first))
    assert row["source_only"] == pytest.approx(np.mean([r.accuracy.value for r in reports(found, "avc", 0)]))
    assert row["n"] == 2


def test_the_difference_from_confidence_is_paired_within_seeds(found):
    table = side_by_side(found).set_index("line")
    ours, base = ([report.mean_accuracy for report in reports(found, rule, 3)] for rule in ("avc", "confidence"))
    test = stats.ttest_rel(ours, base)
    ends = test.confidence_interval()
    got = table.loc[1, [f"mean_accuracy_gain{end}" for end in ("", "_low", "_high", "_p", "_n")]]
    np.testing.assert_allclose(got.astype(float), [np.subtract(ours, base).mean(), *ends, test.pvalue, 2])
    tested = table.loc[1, ["accuracy_gain_p", "mean_accuracy_gain_p"]].astype(float)
    corrected = table.loc[1, ["accuracy_gain_p_holm", "mean_accuracy_gain_p_holm"]].astype(float)
    np.testing.assert_allclose(corrected, holm(tested))
    assert table.loc[0, ["accuracy_gain_p_holm", "mean_accuracy_gain_p_holm"]].isna().all()
    assert np.isnan(table.loc[0, "accuracy_gain"])
    assert table.loc[0, "accuracy_gain_n"] == 0


def test_one_seed_has_the_interval_over_samples_and_no_test(found):
    single = {variant: folders[:1] for variant, folders in found.items()}
    row, report = side_by_side(single).set_index("line").loc[1], reports(found, "avc", 3)[0]
    assert [row["accuracy_low"], row["accuracy_high"]] == [report.accuracy.low, report.accuracy.high]
    ends = [report.mean_accuracy_low, report.mean_accuracy_high]
    assert [row["mean_accuracy_low"], row["mean_accuracy_high"]] == ends
    assert row["accuracy_gain_n"] == 1
    assert np.isnan(row["accuracy_gain_p"])
    course = courses(single, ["precision"]).set_index(["line", "round"]).loc[(1, 2)]
    share = reports(found, "avc", 2)[0].precision
    assert [course["mean"], course["low"], course["high"]] == [share.value, share.low, share.high]


def test_courses_are_numbers_before_any_round_has_a_value(found, tmp_path):
    (variant, folders), *_ = found.items()
    first = SelfTrainingFolder(shutil.copytree(folders[0].root, tmp_path / "first"))
    for number in first.rounds()[1:]:
        shutil.rmtree(first.round(number))
    for keys in (["precision", "selected"], ["accuracy", "precision"]):
        values = courses({variant: [first]}, keys)
        assert values.dtypes[["round", "mean", "low", "high"]].map(str).to_list() == ["int64", *["float64"] * 3]
        curves(values, [stroke("rule", variant.rule)], keys, source_only={})


def test_courses_begin_where_a_quantity_does(found):
    table = courses(found, ["accuracy", "precision", "selected"])
    begins = table.groupby("quantity")["round"].min()
    assert begins.to_dict() == {"accuracy": 0, "precision": 1, "selected": 1}
    assert set(source_only(found, ["accuracy", "precision", "selected", "ece"])) == {"accuracy", "ece"}


def test_runs_that_are_not_complete_stay_out_of_the_table(found, tmp_path):
    import shutil

    from avhcurate.data.self_trainings import SelfTrainingFolder

    cut = SelfTrainingFolder(shutil.copytree(next(iter(found.values()))[0].root, tmp_path / "cut"))
    cut.write_record(cut.record.model_copy(update={"finished": None, "seed": 7}))
    shutil.rmtree(cut.round(3))
    more = by_variant([*(folder for folders in found.values() for folder in folders), cut])
    assert side_by_side(more)["n"].tolist() == [2, 2]
    course = courses(more, ["accuracy"]).query("line == 0").set_index("round")["n"]
    assert course.to_dict() == {0: 3, 1: 3, 2: 3, 3: 2}
