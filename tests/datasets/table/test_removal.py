"""A renamed dataset keeps everything, and a removed one leaves nothing."""

import pyarrow as pa
import pytest
import sqlalchemy as sa

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.removal import people_work, remove_dataset, remove_result, rename_dataset
from avhcurate.errors import CurateError, Unavailable
from avhcurate.people.attach import attach
from avhcurate.people.log import open_response_log
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.datasets import bare_dataset

CACHED = "pets-8-0123456789ab.npy"


def fill(workspace):
    """The dataset `pets` with a tag, a set, a view, an answer, attached votes and a cached image."""
    folder = bare_dataset(workspace, ["a.png", "b.png"], [0, 1], ["cat", "dog"], "pets")
    attach(folder, pa.table({"id": [1], "counts": pa.array([[1, 3]], pa.list_(pa.int32()))}), source="s", messages=[])
    opened = open_dataset(workspace, "pets")
    annotate(opened.decisions, [1], "tag", "odd")
    Saved(workspace, "pets").save_set("few", [0])
    Saved(workspace, "pets").save_view("all", {"dataset": "pets", "bin": "1"}, "gallery")
    answer = {"annotator": "ann", "path": "a.png", "answer": "dog", "selected": None, "control": "none", "at": 1.0}
    answer |= {"expected": None, "reaction_ms": 5, "task": "t", "place": 0, "nonce": "n"}
    with open_response_log(workspace.root).transaction("pets") as log:
        log.record_all("classify", [answer])
    (workspace.root / "cache").mkdir()
    (workspace.root / "cache" / CACHED).touch()
    return opened


def check(workspace, name):
    """All of it is there under this name."""
    assert workspace.names() == [name]
    opened = open_dataset(workspace, name)
    assert (opened.samples.name, opened.dataset.record.name, opened.dataset.id) == (name, name, "pets")
    assert [list(tags) for tags in opened.samples.frame()["tags"]] == [[], ["odd"]]
    assert opened.samples.sets == ("few",)
    (view,) = Saved(workspace, name).views()
    assert view.query == {"dataset": name, "bin": "1"}
    work = {"attached votes": 4, "answers of 1 annotators": 1, "tags, relabels and exclusions": 1}
    assert people_work(workspace, name) == work | {"saved sets": 1, "saved views": 1}
    assert len(opened.votes.log.columns("pets").rows) == 1
    assert (workspace.root / "cache" / CACHED).exists()


def test_a_renamed_dataset_keeps_everything_and_back_again(workspace, database, monkeypatch):
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    fill(workspace)
    assert rename_dataset(workspace, "pets", "animals").name == "animals"
    check(workspace, "animals")
    assert workspace.dataset("pets").name == "animals", "scripts and jobs with the old name still find it"
    with pytest.raises(CurateError, match="is now called 'animals'"):
        remove_dataset(workspace, "pets")
    rename_dataset(workspace, "animals", "pets")
    check(workspace, "pets")


def test_a_table_that_was_open_can_be_written_to_after_a_renaming_but_not_after_a_removal(workspace):
    opened = fill(workspace)
    rename_dataset(workspace, "pets", "animals")
    annotate(opened.decisions, [0], "tag", "late")
    assert [list(tags) for tags in open_dataset(workspace, "animals").samples.frame()["tags"]] == [["late"], ["odd"]]
    remove_dataset(workspace, "animals")
    with pytest.raises(CurateError, match="was removed"):
        annotate(opened.decisions, [0], "tag", "later")


def test_another_dataset_may_take_the_old_name_and_the_two_are_kept_apart(workspace):
    fill(workspace)
    rename_dataset(workspace, "pets", "animals")
    other = bare_dataset(workspace, ["c.png"], [0], ["cat"], "pets")
    assert (other.id, workspace.names()) == ("pets-2", ["animals", "pets"])
    annotate(open_dataset(workspace, "pets").decisions, [0], "tag", "new")
    assert [list(tags) for tags in open_dataset(workspace, "pets").samples.frame()["tags"]] == [["new"]]
    assert [list(tags) for tags in open_dataset(workspace, "animals").samples.frame()["tags"]] == [[], ["odd"]]
    remove_dataset(workspace, "pets")
    check(workspace, "animals")


def test_a_name_that_cannot_be_given_is_refused_and_nothing_changes(workspace):
    fill(workspace)
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "taken")
    for old, new, message in [
        ("pets", "taken", "already a dataset"),
        ("pets", "pets", "already a dataset"),
        ("pets", "Taken", "too similar"),
        ("pets", "a/b", "not a valid name"),
        ("pets", "nul", "not a valid name"),
        ("nothing", "other", "Unknown dataset 'nothing'"),
    ]:
        with pytest.raises(CurateError, match=message):
            rename_dataset(workspace, old, new)
    jobs = Jobs(workspace.root)
    with jobs.running(jobs.create("train", "pets", ["train", "pets"])):
        for change in (lambda: rename_dataset(workspace, "pets", "other"), lambda: remove_dataset(workspace, "pets")):
            with pytest.raises(Unavailable, match="`train pets` is running"):
                change()
    remove_dataset(workspace, "taken")
    check(workspace, "pets")


def test_removing_a_dataset_leaves_nothing_of_it_and_all_of_the_others(workspace, database, monkeypatch):
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    fill(workspace)
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "other")
    annotate(open_dataset(workspace, "other").decisions, [0], "tag", "kept")
    theirs = workspace.root / "cache" / "pets-large-8-0123456789ab.npy"
    theirs.touch()
    remove_dataset(workspace, "pets")
    assert workspace.names() == ["other"]
    assert [path.name for path in workspace.datasets.iterdir() if path.is_dir()] == ["other"]
    assert list((workspace.root / "cache").iterdir()) == [theirs]
    assert [list(tags) for tags in open_dataset(workspace, "other").samples.frame()["tags"]] == [["kept"]]
    with open_events(workspace.root).engine.connect() as connection:
        for table in ("events", "event_samples", "set_members", "ballots"):
            left = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
            assert left == (table in ("events", "event_samples"))
    bare_dataset(workspace, ["a.png", "b.png"], [0, 1], ["cat", "dog"], "pets")
    assert [list(tags) for tags in open_dataset(workspace, "pets").samples.frame()["tags"]] == [[], []]
    assert people_work(workspace, "pets") == {}


def test_a_run_is_removed_by_itself(own_demo_root, add_run):
    workspace = Workspace(own_demo_root)
    add_run(own_demo_root, "second", lambda rows: rows, model="avhcurate:digits")
    remove_result(workspace, "digits", "run", "second")
    assert [run.record.model for run in workspace.dataset("digits").runs()] == ["avhcurate:digits"]
    with pytest.raises(CurateError, match="no training 't'"):
        remove_result(workspace, "digits", "training", "t")
    assert open_dataset(workspace, "digits").run is not None
