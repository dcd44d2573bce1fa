"""The verbs list, remove, check, rename and jobs: what they print and what they ask."""

import errno
import gc
import itertools
import json
import os
import re
import shlex
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import avhcurate
from avhcurate.datasets.export.service import FORMATS
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table import check, salvage
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data import logs
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk import database
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.datasets import bare_dataset
from tests.fakes.workspaces import by, copied


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
    kinds = Counter((one["kind"], one["complete"]) for one in digits["results"])
    assert (kinds["training", True], kinds["training", False]) == (2, 1)
    own = next(one for one in digits["results"] if one["model"] == "avhcurate:digits" and one["n"] == 1797)
    table = avhcurate.open(trained_root, "digits", own["name"]).table
    assert own["accuracy"] == pytest.approx((table["predicted"] == table["label"]).mean())
    assert own["size"] > 1797 * 64 * 4
    assert digits["size"] > sum(one["size"] for one in digits["results"])
    assert "unfinished" in cli("list", "--workspace", trained_root).out


@pytest.mark.slow
def test_a_self_training_is_listed_and_goes_alone(cli, self_trained_root, tmp_path):
    root = copied(self_trained_root, tmp_path / "copy")

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

    def refused(selection, path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setitem(FORMATS, "csv", refused)
    for number in (errno.EPERM, errno.EROFS):
        code, _, err = cli("export", "pets", "--format", "csv", "--out", out, "--workspace", workspace.root)
        said = f"avhcurate: {out} cannot be written ({os.strerror(number)}). Choose another place"
        assert (code, err[: len(said)]) == (2, said)


def test_a_workspace_that_is_a_file_is_refused(cli, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    for verb in (("list",), ("import", "pets", tmp_path), ("demo",)):
        code, _, err = cli(*verb, "--workspace", tmp_path / "model.pt")
        assert (code, "model.pt is a file, and the workspace must be a folder" in err) == (2, True)


def test_a_damaged_dataset_is_listed_and_can_be_removed(cli, call, workspace):
    folder = bare_dataset(workspace, ["a.png"], [0], ["cat"], "pets")
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "whole")
    for record in ("{", "[" * 100_000):
        (folder.root / "dataset.json").write_text(record)
        whole, damaged = sorted(call("list").splitlines(), key=len)
        assert (whole[:15], damaged[:5], "damaged: " in damaged) == ("whole  1 images", "pets ", True)
        ended = cli("check", "--workspace", workspace.root)
        assert (ended.code, ended.out.count("\n")) == (2, 1)
    call("remove", "pets", "--yes")
    assert call("list").splitlines() == [whole]


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _garble(path):
    path.write_bytes(b"\xff" * 5000)


RUN = "runs/attached-features-*"
#: What is damaged of a dataset, and how.
DAMAGES = {
    "samples": (_cut, "samples.parquet"),
    "votes": (_garble, "votes-*.parquet"),
    "record": (_garble, "dataset.json"),
    "unfinished": (Path.unlink, "dataset.json"),
    "scores": (_cut, f"{RUN}/scores.parquet"),
    "features": (_cut, f"{RUN}/features.npy"),
    "run": (_cut, f"{RUN}/run.json"),
}


@pytest.fixture
def many(tmp_path, cli, monkeypatch):
    """Datasets of two images, each with votes, a tag and attached features: one for each damage, and one more."""
    space = Workspace(tmp_path / "space")
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(space.root))
    monkeypatch.chdir(tmp_path)
    for label, tone in (("cat", 10), ("dog", 200)):
        (tmp_path / "my pets" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8), (tone, 0, 0)).save(tmp_path / "my pets" / label / "a.png")
    np.save("votes.npy", np.array([[2, 1], [0, 3]]))
    np.save("features.npy", np.eye(2, 3, dtype=np.float32))

    def make(*names):
        for name in names:
            import_dataset(space, name, tmp_path / "my pets")
            attach_votes(space, name, tmp_path / "votes.npy")
            by("ann", open_events(space.root).annotate, name, "tag", "odd", ["cat/a.png"])
            assert cli("attach", name, "--features", "features.npy").code == 0
        return space

    return make


def _opened_anew(space):
    """Close the database and empty its log, as if all processes had ended."""
    logs._shared.cache_clear()
    gc.collect()
    with closing(sqlite3.connect(space.annotations_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for log in ("-wal", "-shm"):
        Path(f"{space.annotations_path}{log}").unlink(missing_ok=True)


def _tags(space, name):
    return [event.value for event in open_events(space.root).history(name)[0]]


@pytest.mark.slow
def test_damage_is_one_line_hides_nothing_else_and_is_mended_as_check_says(cli, many):
    space = many("whole", *DAMAGES)
    for name, (damage, file) in DAMAGES.items():
        (path,) = (space.datasets / name).glob(file)
        damage(path)
    code, out, err = cli("check")
    assert (code, "7 parts of" in err) == (2, True)
    lines = {name: next(line for line in out.splitlines() if f"datasets/{name}" in line) for name in DAMAGES}
    assert len(out.splitlines()) == len(DAMAGES)
    whole, broken = json.loads(cli("list", "--json").out)["datasets"][-1], cli("list").out.count("damaged: ")
    assert (whole["name"], whole["samples"], whole["problem"], broken) == ("whole", 2, "", 4)
    for name in ("whole", *DAMAGES):
        code, _, err = cli("export", name, "--format", "csv", "--out", f"{name}.csv")
        assert code == 0 or (code, err.count("avhcurate: ")) == (2, 1), err
        assert code == 0 or name != "whole"
    code, out, err = cli("check", "--repair")
    assert (code, out.count("It now lies in damaged/"), "3 parts of" in err) == (2, 4, True)
    commands = {name: re.findall(r"`avhcurate (.*?)`", line)[-1:] for name, line in lines.items()}
    commands["record"] = commands["unfinished"] = []
    assert cli("import", "record", "my pets", "--force").code == cli("import", "unfinished", "my pets").code == 0
    commands["run"] = [commands["scores"][0].replace("scores", "run")]  # its record does not tell
    for command in itertools.chain(*commands.values()):
        ended = cli(*shlex.split(command))
        assert ended.code == 0, ended.err
    assert cli("check").out == f"{space.root} is intact\n"
    assert {name: _tags(space, name) for name in DAMAGES} == {name: ["odd"] for name in DAMAGES}
    for name in ("scores", "features", "run"):
        assert space.dataset(name).runs()[0].complete


@pytest.mark.parametrize("damage", [_cut, _garble])
@pytest.mark.slow
def test_of_a_damaged_database_all_is_kept_that_can_be_read(cli, many, damage):
    space = many("pets")
    assert cli("check", "--backup", "copy").code == 0
    with closing(sqlite3.connect(space.annotations_path)) as connection:  # what the end of the file then holds
        connection.execute("CREATE TABLE later (text)")
        connection.executemany("INSERT INTO later VALUES (?)", [("x" * 4000,)] * 100)
        connection.commit()
    _opened_anew(space)
    damage(space.annotations_path)
    code, out, _ = cli("check")
    assert (code, out.count("\n"), "`avhcurate check --backup OUT`" in out) == (2, 1, True)
    for words in (("history", "pets"), ("tag", "pets", "new", "--ids", "0")):
        code, _, err = cli(*words)
        assert (code, err.count("\n"), "run `avhcurate check`" in err) == (2, 1, True)
    logs._shared.cache_clear()
    gc.collect()
    code, out, _ = cli("check", "--repair")
    kept = int(damage is _cut)
    assert (code, f"{2 * kept} entries of annotations.db could be read" in out) == (2 - 2 * kept, True)
    assert (cli("check").out == f"{space.root} is intact\n") == bool(kept)
    assert _tags(space, "pets") == ["odd"] * kept
    assert _tags(Workspace("copy"), "pets") == ["odd"]


@pytest.mark.slow
def test_another_version_or_program_or_entry_is_no_damage(cli, many, monkeypatch):
    space = many("pets")
    _opened_anew(space)
    monkeypatch.setattr(database, "_PRAGMAS", ("busy_timeout=50",))
    for module in (check, salvage):
        monkeypatch.setattr(module, "PATIENCE_S", 0)
    with closing(sqlite3.connect(space.annotations_path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("INSERT INTO events VALUES (99, 'pets', 1, 'x', 'dance', 'wild', 'null', 0, NULL)")
        assert "dance" in cli("history", "pets").out
        other.execute("BEGIN EXCLUSIVE")
        for words in (("tag", "pets", "new", "--ids", "0"), ("check", "--repair")):
            code, out, err = cli(*words)
            assert (code, "Another program holds" in out + err) == (2, True), out + err
        other.execute("UPDATE avhcurate_version SET version_num = '1'")
        other.execute("COMMIT")
    logs._shared.cache_clear()
    for words in (("history", "pets"), ("check", "--repair")):
        code, out, err = cli(*words)
        assert (code, "has schema version 1" in out + err) == (2, True)
    assert not (space.root / "damaged").exists()


def test_of_postgresql_the_commands_are_named_that_copy_it(cli, workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "database_url", lambda _: "postgresql+psycopg://ann:secret@db.example/curate")
    err = cli("check", "--backup", tmp_path / "copy", "--workspace", workspace.root).err
    assert f"`cp -r {workspace.root} {tmp_path}/copy`" in err
    assert f"`pg_dump --format=custom --file={tmp_path}/copy.dump postgresql://ann@db.example/curate`" in err


def test_remove_says_what_goes_and_asks(cli, call, workspace):
    bare_dataset(workspace, ["a.png"], [0], ["cat"], "pets")
    call("tag", "pets", "odd", "--ids", "0")
    code, _, err = cli("remove", "pets", "--workspace", workspace.root)
    assert (code, "1 tags, relabels and exclusions" in err, "--yes" in err) == (2, True, True)
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
