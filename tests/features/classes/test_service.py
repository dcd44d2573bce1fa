"""What is proposed on the digits: two classes that were one are merged first, and one that was two is split first."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.curate import classes
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.classes.service import classes_of, parts, run_notes
from tests.fakes.workspaces import copied


def test_the_table_agrees_with_an_independent_count(digits):
    known = classes_of(digits.samples, digits.run, digits.votes)
    frame = digits.samples.frame()
    rows = known.classes.set_index("class")
    of_class = frame.groupby("label_name")
    pd.testing.assert_series_equal(rows["images"], of_class.size(), check_names=False)
    right = (frame["predicted"] == frame["label"]).groupby(frame["label_name"]).mean()
    np.testing.assert_allclose(rows["accuracy"], right)
    counts = np.stack(digits.votes.by_sample()["counts"].to_list())
    threes = counts[frame["label"] == 3]
    assert rows.loc["3", "crossings"] == pytest.approx(1 - threes[:, 3].sum() / threes.sum())
    weights = digits.run.class_weights().astype(float)
    cosine = weights[5] @ weights[9] / np.linalg.norm(weights[5]) / np.linalg.norm(weights[9])
    assert rows.loc["5", ["nearest", "angle"]].tolist() == ["9", pytest.approx(np.degrees(np.arccos(cosine)))]
    assert known.chosen_by == "simulated votes"


def test_the_levels_agree_with_an_independent_count(own_digits, tmp_path):
    parents = {str(number): ("even", "odd")[number % 2] for number in range(10)}
    pd.DataFrame({"class": parents.keys(), "parent": parents.values()}).to_csv(tmp_path / "p.csv", index=False)
    assert classes_of(own_digits.samples, own_digits.run, own_digits.votes).levels.empty
    classes.set_parents(own_digits.decisions, own_digits.workspace, str(tmp_path / "p.csv"))
    opened = open_dataset(own_digits.workspace, "digits")
    rows = classes_of(opened.samples, opened.run, opened.votes).levels.set_index("parent")
    assert list(rows.index) == ["all images", "even", "odd"]
    frame = opened.samples.frame()
    counts = np.stack(opened.votes.by_sample()["counts"].to_list())
    label = frame["label"].to_numpy(int)
    odd = label % 2 == 1
    of_odd = counts[:, 1::2].sum(axis=1)
    assert rows.loc["odd", "images"] == odd.sum()
    assert rows.loc["odd", "across"] == (counts.sum(axis=1) - of_odd)[odd].sum()
    assert rows.loc["odd", "within"] == (of_odd - counts[np.arange(len(label)), label])[odd].sum()
    assert rows.loc["odd", "hsf_parent"] == pytest.approx((of_odd / counts.sum(axis=1))[odd].mean())
    same = frame["predicted"].to_numpy(int) % 2 == label % 2
    assert rows.loc["odd", "accuracy_parent"] == pytest.approx(same[odd].mean())
    assert rows.loc["all images", "accuracy_parent"] == pytest.approx(same.mean())
    assert rows.loc["all images", ["within", "across"]].tolist() == rows[["within", "across"]][1:].sum().tolist()
    assert rows.loc["all images", "avh_parent"] > rows.loc["all images", "avh"]  # of two, not of ten


def test_two_merged_classes_are_the_first_to_split_and_the_parts_are_they(own_digits):
    label = own_digits.dataset.labels()
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    opened = open_dataset(own_digits.workspace, "digits")
    known = classes_of(opened.samples, opened.run, opened.votes)
    assert known.splits.loc[0, "class"] == "round"
    part = parts(opened.samples, opened.run, opened.dataset, "round")
    ids = opened.samples.order(Filters(classes=(opened.samples.classes.index("round"),)))
    in_part = np.isin(ids, list(part))
    agrees = (in_part == (label[ids] == 3)).mean()
    assert max(agrees, 1 - agrees) > 0.97
    assert run_notes(opened.dataset) == [
        f"{opened.run.name}: round is 3 + 8; no class weights of round, so no AVH of its images"
    ]


def test_without_votes_the_predictions_cross(own_digits):
    dataset = own_digits.dataset
    dataset.write_record(dataset.record.model_copy(update={"votes": None}))
    known = classes_of(
        open_dataset(own_digits.workspace, "digits").samples,
        open_dataset(own_digits.workspace, "digits").run,
        open_dataset(own_digits.workspace, "digits").votes,
    )
    frame = own_digits.samples.frame()
    assert known.chosen_by == "predictions"
    pair = known.pairs.set_index(["first", "second"]).loc[("8", "9")]
    both = frame[frame["label"].isin([8, 9]) & frame["predicted"].isin([8, 9])]
    assert pair["crossings"] == pytest.approx((both["label"] != both["predicted"]).mean())


@pytest.mark.slow
def test_the_verb_changes_lists_and_undoes(demo_root, tmp_path):
    root = copied(demo_root, tmp_path / "demo")

    def call(*words, code=0):
        done = CliRunner().invoke(app, ["--workspace", str(root), "classes", "digits", *words])
        assert done.exit_code == code, done.output
        return done.output or str(done.exception)

    call("--rename", "3=three")
    call("--merge", "three,8=round")
    call("--add", "zebra")
    call("--retire", "0")
    (tmp_path / "p.csv").write_text("class,parent\n1,odd\n7,odd\n4,even\n")
    call("--parents", str(tmp_path / "p.csv"))
    assert {row["parent"] for row in json.loads(call("--json"))["levels"]} >= {"all images", "odd", "even", "9"}
    call("--undo")
    assert json.loads(call("--json"))["levels"] == []
    table = json.loads(call("--json"))
    assert [row["class"] for row in table["classes"]] == ["1", "2", "round", "4", "5", "6", "7", "9", "zebra"]
    call("--undo")
    assert json.loads(call("--json"))["classes"][0]["class"] == "0"
    call("--split", "round", "--by", "embeddings")
    sizes = {row["class"]: row["images"] for row in json.loads(call("--json"))["classes"]}
    assert sizes["round"] + sizes["round 2"] == 357
    call("--rename", "4==4,a")  # a new name may begin with the sign
    call("--merge", '"=4,a",1=both')
    assert "both" in {row["class"] for row in json.loads(call("--json"))["classes"]}
    assert "go together" in call("--split", "1", code=1)
    assert "Write OLD=NEW" in call("--rename", "5", code=1)
    assert "cannot be given" in call("--add", "x", "--retire", "1", code=1)
