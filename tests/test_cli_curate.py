"""The verbs tag, relabel and exclude: what they print, what they decide, and how they are undone."""

import json

import numpy as np
import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import bare_dataset
from tests.fakes.sources import attach


@pytest.fixture
def space(workspace):
    bare_dataset(workspace, ["a.png", "b.png", "c.png"], [0, 1, None], ["cat", "dog"], "pets")
    return workspace


@pytest.fixture
def call(cli, space):
    """Calls a verb on the three pets and gives what it prints as JSON."""

    def run(verb, *arguments):
        code, out, err = cli(verb, "pets", *arguments, "--workspace", space.root, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


def pets(space):
    return open_dataset(Workspace(space.root), "pets")


def test_a_tag_by_ids_and_by_condition_is_put_on_taken_off_and_undone(call, space):
    assert call("tag", "odd", "--ids", "0,2") == {"action": "tag", "value": "odd", "samples": 2}
    assert call("tag", "odd", "--where", "label = 0", "--remove")["samples"] == 1
    assert pets(space).samples.frame(Filters(tags=("odd",)))["id"].tolist() == [2]
    assert call("tag", "--undo")["undone"] == {"action": "untag", "value": "odd", "samples": 1}
    assert pets(space).samples.frame(Filters(tags=("odd",)))["id"].tolist() == [0, 2]


def test_a_relabel_takes_a_name_or_an_index_and_is_restored(call, space):
    call("relabel", "--to", "dog", "--ids", "0")
    call("relabel", "--to", "0", "--where", "label = 1")
    assert pets(space).samples.frame()["curated_label_name"].tolist()[:2] == ["dog", "cat"]
    call("relabel", "--restore", "--ids", "0")
    assert pets(space).samples.frame()["curated_label_name"].tolist()[:2] == ["cat", "cat"]


def test_a_condition_may_be_about_a_run_that_is_not_the_default(cli, own_demo_root, tmp_path):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    probs = np.full((opened.samples.size, 10), 0.01)
    probs[np.arange(opened.samples.size), 3] = 0.91
    np.save(tmp_path / "probs.npy", probs)
    attach(Workspace(own_demo_root), "digits", probs=str(tmp_path / "probs.npy"), name="other")
    condition = ("--where", "predicted = 3 AND confidence > 0.9", "--workspace", own_demo_root)
    assert cli("tag", "digits", "three", *condition, "--model", "other").code == 0
    opened.refresh()
    assert opened.samples.count(Filters(tags=("three",))) == (opened.dataset.labels() == 3).sum()
    assert cli("tag", "digits", "three", *condition, "--model", "nobody").code == 2


def test_a_file_lists_the_samples_of_each_verb(call, space, tmp_path):
    (tmp_path / "gap.csv").write_text("set,gap,id,path\nhard,0.9,2,c.png\nhard,0.8,0,a.png\n")
    (tmp_path / "ids.txt").write_text("1\n")
    assert call("tag", "odd", "--ids", tmp_path / "gap.csv")["samples"] == 2
    assert pets(space).samples.frame(Filters(tags=("odd",)))["id"].tolist() == [0, 2]
    assert call("relabel", "--to", "cat", "--ids", tmp_path / "ids.txt")["samples"] == 1
    assert call("exclude", "--ids", tmp_path / "ids.txt")["samples"] == 1
    assert pets(space).samples.frame(Filters(excluded=True))["curated_label_name"].tolist() == ["cat"]


def test_undo_takes_back_the_newest_of_its_own_verb(cli, call, space):
    call("relabel", "--to", "dog", "--ids", "0")
    call("exclude", "--ids", "1", "--reason", "blurred")
    assert call("relabel", "--undo")["undone"]["action"] == "relabel"
    nothing = cli("relabel", "pets", "--undo", "--workspace", space.root, "--json")
    assert (nothing.code, json.loads(nothing.out)) == (3, {"undone": None})
    assert pets(space).samples.frame(Filters(excluded=True))["tags"].tolist() == [["blurred"]]
    assert call("exclude", "--include", "--where", "id >= 0")["samples"] == 1
    assert pets(space).samples.count(Filters()) == 3


def test_labels_from_a_file_are_counted_in_a_line_and_undone_as_one(cli, call, space, tmp_path):
    (tmp_path / "labels.csv").write_text("path,label_name\na.png,dog\nc.png,cat\nz.png,cat\nb.png,cow\n")
    counts = call("relabel", "--from", tmp_path / "labels.csv")
    assert (counts["applied"], counts["same"], counts["unknown_path"], counts["unknown_class"]) == (2, 0, 1, 1)
    again = cli("relabel", "pets", "--from", tmp_path / "labels.csv", "--workspace", space.root).out
    assert again == "labels.csv: 0 applied, 2 same, 1 unknown path, 1 unknown class\n"
    assert call("relabel", "--undo")["undone"]["samples"] == 2
    assert pets(space).samples.frame()["curated_label"].fillna(-1).tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "pets", "odd"], "either --ids"),
        (["tag", "pets", "--ids", "1"], "Give a TAG"),
        (["tag", "pets", "odd", "--ids", "7"], "No sample has id 7. Ids run from 0 to 2"),
        (["tag", "pets", "odd", "--ids", "-1,1,9"], "No sample has id -1, 9. Ids"),
        (["tag", "pets", "odd", "--ids", f"1,{10**30}"], f"No sample has id {10**30}. Ids"),
        (["history", "pets", "--limit", f"{10**30}"], "--limit"),
        (["jobs", "--limit", f"{10**30}"], "--limit"),
        (["tag", "pets", "odd", "--ids", "one"], "whole numbers"),
        (["tag", "pets", "odd", "--undo"], "TAG cannot be given with --undo"),
        (["relabel", "pets", "--to", "horse", "--ids", "1"], "Choose from cat, dog"),
        (["relabel", "pets", "--to", "dog", "--restore", "--ids", "1"], "Give --to LABEL, --restore or --from"),
        (["relabel", "pets", "--to", "dog", "--from", "labels.csv"], "--to cannot be given with --from"),
        (["relabel", "pets", "--ids", "0", "1"], "unexpected extra argument"),
        (["export", "pets", "--out", "labels"], "does not say its format"),
        (["tag", "pets", "odd", "--where", "lable = 5"], "Did you mean label"),
        (["relabel", "pets", "--from", "labels.csv"], "labels.csv is not a file"),
        (["exclude", "pets", "--include", "--reason", "dark", "--ids", "1"], "--reason"),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused(cli, space, arguments, message):
    code, _, err = cli(*arguments, "--workspace", space.root)
    assert (code, message in err) == (2, True), err


@pytest.mark.parametrize(
    "arguments",
    [
        ["tag", "pets", "odd", "--where", "label = 5"],
        ["saved", "pets", "--save-set", "five", "--where", "label = 5"],
        ["export", "pets", "--where", "label = 5", "--out", "five.csv"],
        ["exclude", "pets", "--undo"],
    ],
)
def test_nothing_found_has_an_exit_code_of_its_own(cli, space, arguments):
    code, _, err = cli(*arguments, "--workspace", space.root)
    assert (code, err.count("\n")) == (3, 1)
    assert "o sample satisfies" in err or "nothing of yours to undo" in err
