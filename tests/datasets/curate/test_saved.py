"""Sets and views over a real dataset: filters that name them, a re-import, combinations, lists from files."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.history import describe, history_entries, undo_entry
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import write_images
from tests.fakes.workspaces import by


@pytest.fixture
def own(own_demo_root):
    return Workspace(own_demo_root)


def members(opened, *names):
    return opened.samples.frame(Filters(excluded=None, sets=names), columns=["id"])["id"].tolist()


def test_a_filter_by_sets_takes_what_is_in_all_of_them(own, own_digits):
    Saved(own, "digits").save_set("even", np.arange(0, 1797, 2))
    Saved(own, "digits").save_set("few, 'odd'", [2, 3, 4])
    own_digits.refresh()
    assert members(own_digits, "few, 'odd'") == [2, 3, 4]
    assert members(own_digits, "few, 'odd'", "even") == [2, 4]
    filters = Filters(sets=("even", "few, 'odd'"), classes=(2,))
    assert Filters.from_query(filters.to_query()) == filters
    assert own_digits.samples.sets_of(4) == ["even", "few, 'odd'"]
    assert own_digits.samples.sets_of(5) == []


def test_a_table_follows_sets_that_others_save_replace_and_remove(own, own_digits):
    Saved(own, "digits").save_set("s", [1, 2])
    own_digits.refresh()
    assert members(own_digits, "s") == [1, 2]
    Saved(own, "digits").save_set("s", [7])
    Saved(own, "digits").save_set("t", [8])
    own_digits.refresh()
    assert (members(own_digits, "s"), members(own_digits, "t")) == ([7], [8])
    removal = Saved(own, "digits").remove("set", "s")
    own_digits.refresh()
    assert own_digits.samples.sets == ("t",)
    with pytest.raises(CurateError, match="There is no set s"):
        own_digits.samples.count(Filters(sets=("s",)))
    undo_entry(own_digits.decisions, f"{removal}")
    assert members(own_digits, "s") == [7]


def test_a_set_outlives_a_reimport_in_another_order(tmp_path, workspace, make_dataset):
    make_dataset({"b/x.png": "red", "c/x.png": "red"}, "own")
    Saved(workspace, "own").save_set("kept", [0])
    import_dataset(workspace, "own", write_images(tmp_path / "own", {"a/x.png": "red"}), force=True)
    opened = open_dataset(workspace, "own")
    assert [opened.samples.sample(id)["path"] for id in members(opened, "kept")] == ["b/x.png"]


def test_sets_are_combined(own):
    for name, ids in (("a", [1, 2, 3]), ("b", [3, 4]), ("c", [3])):
        Saved(own, "digits").save_set(name, ids)
    ways = {"union": {1, 2, 3, 4}, "intersection": {3}, "difference": {1, 2}}
    opened = open_dataset(own, "digits")
    for how, want in ways.items():
        assert Saved(own, "digits").combine("new", ["a", "b", "c"], how) == len(want)
        opened.refresh()
        assert set(members(opened, "new")) == want
    with pytest.raises(CurateError, match="empty"):
        Saved(own, "digits").combine("none", ["c", "b"], "difference")
    with pytest.raises(CurateError, match="Choose two sets"):
        Saved(own, "digits").combine("none", ["c"], "union")
    assert [one.name for one in Saved(own, "digits").sets()] == ["a", "b", "c", "new"]


def test_a_renamed_set_keeps_its_members_and_a_view_its_address(own):
    Saved(own, "digits").save_set("hard", [1, 2])
    Saved(own, "digits").save_view("wrong", {"mistakes": "1"}, "gallery")
    before = Saved(own, "digits").members("hard")
    Saved(own, "digits").rename("set", "hard", "harder")
    Saved(own, "digits").rename("view", "wrong", "errors")
    assert Saved(own, "digits").members("harder") == before
    assert [one.name for one in Saved(own, "digits").sets()] == ["harder"]
    (view,) = Saved(own, "digits").views()
    assert (view.name, view.page, view.query) == ("errors", "gallery", {"mistakes": "1"})


@pytest.mark.parametrize(
    "content",
    [
        "{path}\n5\n\nnowhere.png\n",
        "who,id,why\nann,1,x\nann,5,\nann,nowhere.png,y\n",
        "\ufeffpath,n\n{path},1\n5,2\nnowhere.png,3\n",
    ],
)
def test_a_list_of_paths_or_ids_becomes_a_set_and_names_what_is_unknown(own, own_digits, content):
    text = content.format(path=own_digits.samples.sample(1)["path"])
    assert Saved(own, "digits").import_set("listed", text.encode()) == (2, ["nowhere.png"])
    own_digits.refresh()
    assert members(own_digits, "listed") == [1, 5]


def test_what_cannot_be_saved_is_refused_and_nothing_is_written(own):
    saved = Saved(own, "digits")
    saved.save_set("a", [1])
    saved.save_set("b", [1])
    for write, *words, message in [
        *((saved.save_set, name, [1], "1 to 60 printable") for name in ("", "  ", "x" * 61, "a\nb")),
        (saved.save_set, "none", [], "No samples are chosen"),
        (saved.save_set, "none", [1797], "Ids run from 0 to 1796"),
        (saved.import_set, "none", b"nowhere.png", "no sample of digits"),
        (saved.import_set, "none", b"\xff\xfe\x00", "UTF-8"),
        (saved.rename, "set", "a", "b", "already"),
    ]:
        with pytest.raises(CurateError, match=message):
            write(*words)
    assert [entry.name for entry in saved.sets()] == ["a", "b"]


def test_history_says_in_words_who_did_what(own, own_digits):
    by("ann", annotate, own_digits.decisions, [3], "relabel", 7)
    by("bob", annotate, own_digits.decisions, [3, 4], "tag", "odd")
    by("bob", Saved(own, "digits").save_set, "s", [3])
    found, count = history_entries(own_digits.decisions)
    words = [(entry.who, describe(entry, own_digits.samples.classes)) for entry in found]
    assert count == 3
    assert words == [
        ("bob", "saved the set s"),
        ("bob", "tagged odd"),
        ("ann", f"relabelled as {own_digits.samples.classes[7]}"),
    ]
    assert [entry.who for entry in history_entries(own_digits.decisions, sample=4)[0]] == ["bob"]
    by("zoe", undo_entry, own_digits.decisions, found[2].key)
    assert own_digits.samples.sample(3)["curated_label"] == own_digits.samples.sample(3)["label"]
    assert history_entries(own_digits.decisions)[0][2].undone_by == "zoe"
    for key in ("7", f"{10**20}", "tag"):
        with pytest.raises(CurateError, match=f"ntry {key}"):
            undo_entry(own_digits.decisions, key)


@pytest.fixture
def run(own_demo_root, cli):
    return lambda *arguments: cli(*arguments, "--workspace", own_demo_root)


def test_an_address_of_another_dataset_is_refused_and_one_of_this_dataset_is_exported(run, tmp_path):
    call = ["export", "digits", "--format", "csv", "--out", tmp_path / "a.csv", "--view"]
    ended = run(*call, "http://here/gallery?dataset=cats&class=1")
    assert (ended.code, "another dataset, 'cats'" in ended.err, (tmp_path / "a.csv").exists()) == (2, True, False)
    assert run(*call, "http://here/gallery?dataset=digits&class=1").code == 0
    assert set(pd.read_csv(tmp_path / "a.csv")["label"]) == {1}


@pytest.mark.slow
def test_sets_and_views_are_saved_exported_and_removed_from_a_shell(run, own, tmp_path):
    listed = json.loads(run("saved", "digits", "--save-set", "hard", "--where", "id < 3", "--json").out)
    assert [(one["set"], one["samples"]) for one in listed["sets"]] == [("hard", 3)]
    Saved(own, "digits").save_view("ones", {"dataset": "digits", "class": "1", "sort": "loss"}, "gallery")
    out = tmp_path / "a.csv"
    run("export", "digits", "--set", "hard", "--format", "csv", "--out", out)
    assert pd.read_csv(out)["id"].tolist() == [0, 1, 2]
    run("export", "digits", "--view", "ones", "--set", "hard", "--format", "csv", "--out", out, "--force")
    assert pd.read_csv(out)["id"].tolist() == [1]  # the digits come in order: 0, 1, 2
    query = {"dataset": "digits", "edges": "0,0.9,1", "bin": "0", "where": "id < 100 OR id > 1700"}
    Saved(own, "digits").save_view("low", query, "gallery")
    run("export", "digits", "--view", "low", "--where", "id < 200", "--format", "csv", "--out", out, "--force")
    opened = open_dataset(own, "digits")
    want = opened.samples.frame(Filters(where="hsf < 0.9 AND id < 100"), columns=["id"])["id"].tolist()
    assert pd.read_csv(out)["id"].tolist() == want
    for name in ("low", "ones"):
        Saved(own, "digits").remove("view", name)
    assert "no sets and no views" in run("saved", "digits", "--remove", "hard").out
    assert run("history", "digits", "--json").out.count("save set") == 1
    gone = run("export", "digits", "--view", "ones", "--format", "csv", "--out", out, "--force")
    assert "view 'ones' does not exist" in gone.err
    assert "either --ids LIST or --where CONDITION" in run("saved", "digits", "--save-set", "hard").err
