"""The verbs list, remove, check, rename and jobs: what they print and what they ask."""

import errno
import gc
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import avhcurate
from avhcurate.datasets.export.service import FORMATS
from avhcurate.datasets.table import logs
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.datasets import bare_dataset


@pytest.fixture
def call(cli, workspace):
    def run(*arguments):
        code, out, err = cli(*arguments, "--workspace", workspace.root)
        assert code == 0, err
        return json.loads(out) if "--json" in arguments else out

    return run


def test_list_tells_samples_accuracy_and_size_of_everything(cli, trained_root, self_trained_root):
    (digits,) = json.loads(cli("list", "--json", "--workspace", trained_root).out)["datasets"]
    assert (digits["name"], digits["samples"], digits["labelled"], digits["classes"]) == ("digits", 1797, 1797, 10)
    kinds = [(one["kind"], one["complete"]) for one in digits["results"]]
    assert kinds.count(("training", True)) == 2
    assert kinds.count(("training", False)) == 1
    own = next(one for one in digits["results"] if one["model"] == "avhcurate:digits" and one["n"] == 1797)
    table = avhcurate.open(trained_root, "digits", own["name"]).table
    assert own["accuracy"] == pytest.approx((table["predicted"] == table["label"]).mean())
    assert own["size"] > 1797 * 64 * 4
    assert digits["size"] > sum(one["size"] for one in digits["results"])
    assert "unfinished" in cli("list", "--workspace", trained_root).out


def test_a_self_training_is_listed_and_goes_alone(cli, self_trained_root, tmp_path):
    root = shutil.copytree(self_trained_root, tmp_path / "copy")

    def listed():
        (digits,) = json.loads(cli("list", "--json", "--workspace", root).out)["datasets"]
        return [one for one in digits["results"] if one["kind"] == "self-training"]

    first, *others = before = listed()
    assert len(before) == 5
    assert all(one["complete"] and 0 < one["accuracy"] <= 1 and one["n"] == 1737 for one in before)
    assert f"  self-training {first['name']}  accuracy 0." in cli("list", "--workspace", root).out
    both = cli("remove", "digits", "--training", "a", "--self-training", "b", "--yes", "--workspace", root)
    assert "--training and --self-training cannot be given together" in both.err
    assert "no self-training 'b'" in cli("remove", "digits", "--self-training", "b", "--yes", "--workspace", root).err
    jobs = Jobs(root)
    remove = ("remove", "digits", "--self-training", first["name"], "--yes", "--workspace", root)
    with jobs.running(jobs.create("self-train", "digits", ["self-train"])):
        assert cli(*remove).code == 2
    assert cli(*remove).out == f"{first['name']} of digits is removed\n"
    assert listed() == others


def test_a_place_that_cannot_be_written_is_named_and_not_a_temporary_file(cli, workspace, tmp_path, monkeypatch):
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "pets")
    out = tmp_path / "x.csv"

    def refused(table, chosen, path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setitem(FORMATS, "csv", refused)
    for number in (errno.EPERM, errno.EROFS):
        ended = cli("export", "pets", "--format", "csv", "--out", out, "--workspace", workspace.root)
        assert ended.code == 2
        assert ended.err.startswith(f"avhcurate: {out} cannot be written ({os.strerror(number)}). Choose another place")


def test_a_workspace_that_is_a_file_is_refused(cli, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    for verb in (("list",), ("import", "pets", tmp_path), ("demo",)):
        ended = cli(*verb, "--workspace", tmp_path / "model.pt")
        assert ended.code == 2
        assert "model.pt is a file, and the workspace must be a folder" in ended.err


def test_a_damaged_dataset_is_listed_and_can_be_removed(call, workspace):
    folder = bare_dataset(workspace, ["a.png"], [0], ["cat"], "pets")
    (folder.root / "dataset.json").write_text("{")
    assert "pets" in call("list")
    assert "damaged" in call("list")
    call("remove", "pets", "--yes")
    assert "holds no dataset" in call("list")


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _garble(path):
    path.write_bytes(b"\xff" * 5000)


@pytest.mark.parametrize(
    ("damage", "file", "remedy"),
    [
        (_cut, "datasets/pets/samples.parquet", "avhcurate import pets s --force"),
        (_garble, "datasets/pets/samples.parquet", "avhcurate import pets s --force"),
        (_cut, "annotations.db", "the copy of `avhcurate check --backup OUT`"),
        (_garble, "annotations.db", "the copy of `avhcurate check --backup OUT`"),
    ],
)
def test_damage_is_one_sentence_that_check_explains_and_a_copy_has_all(cli, call, tmp_path, damage, file, remedy):
    space, copy = Workspace(tmp_path / "space"), tmp_path / "copy"
    for name in ("cats", "pets"):
        bare_dataset(space, ["a.png", "b.png"], [0, 0], ["cat"], name)

    def ended(*arguments):
        return cli(*arguments, "--workspace", space.root)

    assert ended("tag", "pets", "odd", "--ids", "1").code == 0
    assert ended("check", "--backup", copy).code == 0
    assert "2 datasets and the database are intact" in ended("check").out
    logs._shared.cache_clear()  # as a process that starts now
    gc.collect()
    for log in ("-wal", "-shm"):
        Path(f"{space.annotations_path}{log}").unlink(missing_ok=True)
    damage(space.root / file)
    code, out, err = ended("check")
    assert (code, out.count("\n")) == (2, 1)
    assert out.startswith(f"{file}: ")
    assert remedy in out
    assert "1 parts of" in err
    for verb in (
        ["tag", "pets", "new", "--ids", "0"],
        ["history", "pets"],
        ["export", "pets", "--format", "csv", "--out", tmp_path / "x"],
    ):
        code, _, err = ended(*verb)
        assert (code, "avhcurate check" in err) == (2, True)
    out = ended("list").out
    assert ("cats" in out, "damaged" in out) == (True, "samples" in file)
    assert "odd" in cli("history", "pets", "--workspace", copy).out


def test_remove_says_what_goes_and_asks(cli, call, workspace):
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "pets")
    call("tag", "pets", "odd", "--ids", "0")
    code, _, err = cli("remove", "pets", "--workspace", workspace.root)
    assert code == 2
    assert "1 tags, relabels and exclusions" in err
    assert "--yes" in err
    assert workspace.names() == ["pets"]
    assert call("remove", "pets", "--yes", "--json")["with"] == {"tags, relabels and exclusions": 1}
    assert workspace.names() == []


@pytest.mark.parametrize(("option", "what"), [("--run", "no run"), ("--training", "no training")])
def test_what_is_not_there_is_said_before_it_is_asked_about(cli, workspace, option, what):
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "pets")
    code, _, err = cli("remove", "pets", option, "nope", "--workspace", workspace.root)
    assert (code, f"{what} 'nope'" in err, "--yes" in err) == (2, True, False)


def test_images_given_in_memory_go_with_the_last_dataset_made_of_them(call, workspace):
    images = np.zeros((2, 4, 4), np.uint8)
    avhcurate.dataset("pets", images, workspace=workspace.root)
    given = workspace.downloads / "given"
    assert list(given.iterdir())
    call("rename", "pets", "animals")
    avhcurate.dataset("pets", next(given.glob("*/images.parquet")), workspace=workspace.root)
    call("remove", "animals", "--yes")
    assert list(given.iterdir())
    call("remove", "pets", "--yes")
    assert not list(given.iterdir())


def test_rename_keeps_decisions(call, workspace):
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "pets")
    call("tag", "pets", "odd", "--ids", "0")
    assert call("rename", "pets", "animals", "--json") == {"name": "animals", "was": "pets"}
    assert call("history", "animals", "--json")["count"] == 1


def test_jobs_are_listed_newest_first_and_cancelled(cli, call, workspace):
    assert call("jobs") == "No job has run here.\n"
    jobs = Jobs(workspace.root)
    with jobs.running(jobs.create("score", "pets", ["score", "pets"])) as progress:
        progress.report(3, 8, "")
    with jobs.running(jobs.create("project", "pets", ["project", "pets"], who="ann@x.org")) as progress:
        progress.report(1, 4, "")
        newest, oldest = call("jobs", "--json")["jobs"]
        assert (newest["verb"], newest["state"], newest["total"]) == ("project", "running", 4)
        assert oldest["state"] == "done"
        assert "ann@x.org" in call("jobs", "--limit", "1")
        assert call("jobs", "--cancel", "running", "--json")["cancelled"] == newest["id"]
        assert progress.should_stop()
    for which in (newest["id"], "running", "x"):
        assert f"No such job is running: {which}" in cli("jobs", "--cancel", which, "--workspace", workspace.root).err
