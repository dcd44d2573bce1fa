"""A renamed dataset keeps all that is under its name, whenever the process dies, and a removed one leaves nothing."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from avhcurate.curate import saved
from avhcurate.curate.annotations import annotate, undo
from avhcurate.curate.history import undo_entry
from avhcurate.curate.keys import save_keys
from avhcurate.data.workspace import Workspace
from avhcurate.disk.files import write_json
from avhcurate.disk.jobs import Jobs
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import open_table
from avhcurate.table.logs import open_response_log
from avhcurate.table.removal import people_work, remove_dataset, remove_result
from avhcurate.table.renaming import Renaming, rename_dataset
from avhcurate.votes.attach import attach
from avhcurate.votes.log_tables import RESPONSES
from avhcurate.votes.named_rows import has_rows, rename_rows
from tests.fakes.datasets import bare_dataset

ANSWER = {
    **{"dataset": "pets", "design": "classify", "annotator": "ann", "path": "a.png", "answer": "dog"},
    **{"selected": None, "control": "none", "expected": None, "reaction_ms": 5, "task": "t", "place": 0},
    **{"nonce": "n", "at": 1.0},
}


def fill(workspace):
    """The dataset `pets` with a tag, a set, a view, an answer, attached votes, a training, a job and a cached image."""
    folder = bare_dataset(workspace, ["a.png", "b.png"], [0, 1], ["cat", "dog"], "pets")
    attach(folder, pa.table({"id": [1], "counts": pa.array([[1, 3]], pa.list_(pa.int32()))}), source="s", messages=[])
    table = open_table(workspace, "pets")
    annotate(table, [1], "tag", "odd", who="ann")
    saved.save_set(workspace, "pets", "few", [0], who="ann")
    saved.save_view(workspace, "pets", "all", {"dataset": "pets", "bin": "1"}, "gallery", who="ann")
    with open_response_log(workspace).transaction("pets") as log:
        log.connection.execute(RESPONSES.insert().values(ANSWER))
    training = folder.root / "training" / "t1" / "training.json"
    training.parent.mkdir(parents=True)
    training.write_text('{"dataset": "pets", "recorded": "pets", "model": "m", "new_field": [1]}')
    Jobs(workspace.root).create("train", "pets", ["train", "pets", "--held-out", "pets"])
    job = next(Jobs(workspace.root).all())
    write_json(Jobs(workspace.root).folder(job.id) / "progress.json", job.model_copy(update={"state": "done"}))
    (workspace.root / "cache").mkdir()
    (workspace.root / "cache" / "pets-8-0123456789ab.npy").touch()
    return table


def check(workspace, name):
    """All of it is there under this name and nothing under another."""
    assert workspace.names() == [name]
    table = open_table(workspace, name)
    assert table.dataset.record.name == name
    assert [list(tags) for tags in table.frame()["tags"]] == [[], ["odd"]]
    assert table.sets == ("few",)
    (view,) = saved.views(workspace, name)
    assert view.query == {"dataset": name, "bin": "1"}
    assert people_work(workspace, name).answers == 1
    assert len(table.response_log.columns(name).rows) == 1
    assert [list(counts) for counts in table.dataset.votes()["counts"]] == [[1, 3]]
    training = (table.dataset.root / "training" / "t1" / "training.json").read_text()
    assert training.count(f'"{name}"') == 2
    assert "new_field" in training
    job = Jobs(workspace.root).newest()
    assert (job.dataset, job.argv) == (name, ["train", name, "--held-out", name])
    assert [path.name for path in (workspace.root / "cache").iterdir()] == [f"{name}-8-0123456789ab.npy"]


def test_a_renamed_dataset_keeps_everything_and_back_again(workspace):
    table = fill(workspace)
    assert len(table.response_log.columns("pets").rows) == 1
    assert rename_dataset(workspace, "pets", "animals").name == "animals"
    check(workspace, "animals")
    assert not len(table.response_log.columns("pets").rows)
    rename_dataset(workspace, "animals", "pets")
    check(workspace, "pets")


@pytest.mark.parametrize("new", ["Dogs", "nul", "pets."])
def test_a_new_name_is_one_that_every_disk_can_hold(workspace, new):
    fill(workspace)
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "dogs")
    with pytest.raises(CurateError, match="choose another name"):
        rename_dataset(workspace, "pets", new)
    assert workspace.names() == ["dogs", "pets"]


def rename(workspace):
    rename_dataset(workspace, "pets", "animals")


def remove(workspace):
    remove_dataset(workspace, "pets")


@pytest.mark.parametrize("change", [rename, remove])
def test_what_is_decided_in_a_table_held_open_meanwhile_is_refused(workspace, change):
    table = fill(workspace)
    change(workspace)
    writes = (
        lambda: annotate(table, [0], "tag", "late", who="ann"),
        lambda: undo(table, who="ann"),
        lambda: undo_entry(table, "label-1", who="ann"),
        lambda: save_keys(table, "1 tag late", who="ann"),
        lambda: saved.save_view(workspace, "pets", "late", {}, "gallery", who="ann"),
    )
    for write in writes:
        with pytest.raises(CurateError, match=r"renamed or removed meanwhile|no dataset 'pets'"):
            write()
    assert not has_rows(open_response_log(workspace), "pets")


def test_what_is_decided_while_the_folder_moves_has_the_new_name(workspace, database, monkeypatch):
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    table, move = fill(workspace), os.rename

    def late(source, target):
        if source == workspace.datasets / "pets":
            table.log.append("pets", "tag", "late", ["a.png"], who="bob")
            table.saved.save_set("pets", "late", ["a.png"], who="bob")
        move(source, target)

    monkeypatch.setattr(os, "rename", late)
    rename_dataset(workspace, "pets", "animals")
    renamed = open_table(workspace, "animals")
    assert [list(tags) for tags in renamed.frame()["tags"]] == [["late"], ["odd"]]
    assert renamed.sets == ("few", "late")
    with renamed.response_log.transaction("animals") as log:
        assert log.naming() == "pets"
    assert not has_rows(renamed.response_log, "pets")


def test_a_dataset_of_the_old_name_keeps_its_own_rows_when_a_renaming_is_finished_late(workspace):
    fill(workspace)
    rename_dataset(workspace, "pets", "animals")
    bare_dataset(workspace, ["c.png"], [0], ["cat"], "pets")
    annotate(open_table(workspace, "pets"), [0], "tag", "new")
    write_json(workspace.datasets / ".renaming.json", Renaming(old="pets", new="animals"))  # as before its last step
    assert open_table(workspace, "animals").size == 2
    assert not (workspace.datasets / ".renaming.json").exists()
    assert [list(tags) for tags in open_table(workspace, "pets").frame()["tags"]] == [["new"]]


def test_a_renaming_waits_for_entries_that_are_being_written(workspace, database, monkeypatch):
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    table = fill(workspace)
    with ThreadPoolExecutor() as pool:
        with table.log.engine.begin() as connection:
            table.log._insert(connection, "pets", "bob", "tag", value="late", samples=0)
            renamed = pool.submit(rename_rows, table.response_log, "pets", "animals")
            with pytest.raises(TimeoutError):
                renamed.result(timeout=0.5)
        renamed.result(timeout=60)
    assert not has_rows(table.response_log, "pets")


class Died(BaseException):
    """Ends a renaming on the way, as a kill does."""


def die_before(monkeypatch, number):
    """The renaming ends just before its step of that number that changes a name on the disk."""
    steps = count(1)

    def dying(change):
        def call(*arguments, **options):
            if next(steps) == number:
                raise Died
            return change(*arguments, **options)

        return call

    for owner, name in ((os, "replace"), (os, "rename"), (Path, "unlink"), (Path, "rename")):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))


def finish(workspace):
    """Opens a dataset, as whoever comes next does."""
    try:
        open_table(workspace, workspace.names()[0])
    except CurateError:  # its name has just changed
        assert workspace.names() == ["animals"]


def test_cut_short_at_any_step_it_is_finished_by_whoever_opens_a_dataset_next(tmp_path, monkeypatch):
    fill(Workspace(tmp_path / "made"))
    for number in count(1):
        workspace = Workspace(shutil.copytree(tmp_path / "made", tmp_path / str(number)))
        with monkeypatch.context() as patched:
            die_before(patched, number)
            try:
                rename_dataset(workspace, "pets", "animals")
                ended = True
            except Died:
                ended = False
        noted = (workspace.datasets / ".renaming.json").exists()
        assert noted or ended or number <= 2  # before the note nothing has changed
        finish(workspace)
        check(workspace, "animals" if noted or ended else "pets")
        if ended:
            break
    assert number > 8


_KILLED = """
import os, sys
from avhcurate.data.workspace import Workspace
from avhcurate.table.renaming import rename_dataset
from tests.fakes.killing import die
rename = os.rename
# The rows have their new name, the folder has not.
os.rename = lambda old, new: die() if os.path.isdir(old) else rename(old, new)
rename_dataset(Workspace(sys.argv[1]), "pets", "animals")
"""


def test_killed_between_the_database_and_the_folder_it_is_finished(workspace):
    fill(workspace)
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(workspace.root)], cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    assert workspace.names() == ["pets"]
    finish(workspace)
    check(workspace, "animals")


def test_a_name_that_cannot_be_given_is_refused_and_nothing_changes(workspace):
    fill(workspace)
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "taken")
    annotate(open_table(workspace, "taken"), [0], "tag", "odd")
    for old, new, message in [
        ("pets", "taken", "already"),
        ("pets", "pets", "already"),
        ("pets", "a/b", "cannot name a dataset"),
        ("nothing", "other", "no dataset 'nothing'"),
    ]:
        with pytest.raises(CurateError, match=message):
            rename_dataset(workspace, old, new)
    shutil.rmtree(workspace.datasets / "taken")
    with pytest.raises(CurateError, match="an earlier dataset 'taken'"):
        rename_dataset(workspace, "pets", "taken")
    jobs = Jobs(workspace.root)
    with jobs.running(jobs.create("train", "pets", ["train", "pets", "--held-out", "pets"])):
        for change in (lambda: rename_dataset(workspace, "pets", "other"), lambda: remove_dataset(workspace, "pets")):
            with pytest.raises(CurateError, match="`train pets` is running"):
                change()
    check(workspace, "pets")


def test_a_damaged_record_and_old_exports_keep_nothing_from_opening(workspace, monkeypatch):
    table = fill(workspace)
    (table.dataset.root / "training" / "t1" / "training.json").write_text("{")
    (workspace.exports / "pets").mkdir(parents=True)
    (workspace.exports / "animals").mkdir()
    with pytest.raises(CurateError, match="exports of an earlier 'animals'"):
        rename_dataset(workspace, "pets", "animals")
    (workspace.exports / "animals").rmdir()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", _full)
        with pytest.raises(OSError, match="no room"):
            rename_dataset(workspace, "pets", "animals")
        assert open_table(workspace, "pets").size == 2
    finish(workspace)
    assert workspace.names() == ["animals"]


def _full(*_):
    raise OSError("no room")


def test_removing_a_dataset_leaves_nothing_of_it_and_all_of_the_others(workspace):
    fill(workspace)
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "other")
    annotate(open_table(workspace, "other"), [0], "tag", "kept")
    work = people_work(workspace, "pets")
    assert (work.attached_votes, work.answers, work.annotators) == (4, 1, 1)
    assert (work.decisions, work.sets, work.views) == (1, 1, 1)
    theirs = workspace.root / "cache" / "pets-large-8-0123456789ab.npy"
    theirs.touch()
    remove_dataset(workspace, "pets")
    assert workspace.names() == ["other"]
    assert [path.name for path in workspace.datasets.iterdir() if path.is_dir()] == ["other"]
    assert list((workspace.root / "cache").iterdir()) == [theirs]
    assert [list(tags) for tags in open_table(workspace, "other").frame()["tags"]] == [["kept"]]
    bare_dataset(workspace, ["a.png", "b.png"], [0, 1], ["cat", "dog"], "pets")
    assert [list(tags) for tags in open_table(workspace, "pets").frame()["tags"]] == [[], []]
    assert str(people_work(workspace, "pets")) == "nothing that people wrote"


def test_renaming_and_removing_on_every_database(workspace, database, monkeypatch):
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    fill(workspace)
    rename_dataset(workspace, "pets", "animals")
    check(workspace, "animals")
    remove_dataset(workspace, "animals")
    with open_response_log(workspace).transaction("animals") as log:
        for table in ("events", "event_samples", "saved", "saved_members", "ballots"):
            assert log.connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


def test_a_run_goes_alone_and_an_unclear_one_is_refused(own_demo_root, add_run):
    workspace = Workspace(own_demo_root)
    add_run(own_demo_root, "second", lambda rows: rows, model="avhcurate:digits")
    with pytest.raises(CurateError, match="2 runs of 'avhcurate:digits'"):
        remove_result(workspace, "digits", "run", "avhcurate:digits")
    remove_result(workspace, "digits", "run", "second")
    assert [run.record.model for run in workspace.dataset("digits").runs()] == ["avhcurate:digits"]
    with pytest.raises(CurateError, match="no training 't'"):
        remove_result(workspace, "digits", "training", "t")
    assert open_table(workspace, "digits").run is not None
