"""Jobs started in the background: they report, outlive their starter's interest, and say why they failed."""

import os
import time

import pytest
from PIL import Image

from avhcurate.errors import CurateError
from avhcurate.people import attach
from avhcurate.workspace.data import background
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Jobs, Progress
from tests.fakes.waiting import wait_until


def wait_for(workspace, done):
    return wait_until(lambda: (job := Jobs(workspace).newest()) and done(job) and job)


@pytest.mark.slow
def test_a_job_that_fails_at_once_gives_its_last_line_as_reason(tmp_path):
    started = background.start(
        tmp_path, ["score", "nothing", "--model", "avhcurate:digits"], verb="score", dataset="nothing"
    )
    assert started.active
    with pytest.raises(CurateError, match="score nothing"):
        background.start(tmp_path, ["demo"], verb="demo")
    job = wait_for(tmp_path, lambda job: not job.active)
    assert job.state == "failed"
    assert "nothing" in job.message


@pytest.mark.slow
def test_an_import_that_reads_for_long_is_cancelled_and_leaves_nothing(tmp_path):
    root, pipe = tmp_path / "workspace", tmp_path / "endless.csv"
    os.mkfifo(pipe)  # its reader waits for ever, as a hung network disk would let it
    background.start(root, ["import", "pets", str(pipe)], verb="import", dataset="pets")
    job = wait_for(root, lambda job: job.state == "running")
    background.cancel(root, job.id)
    assert wait_for(root, lambda job: not job.active).state == "cancelled"
    assert not (root / "datasets").exists()


@pytest.mark.parametrize("slow", ["read_vote_files", "counted"])
def test_votes_that_take_long_are_cancelled_and_leave_those_before(tmp_path, make_dataset, monkeypatch, slow):
    folder, file = make_dataset({"cat/a.png": "red", "dog/b.png": "blue"}).dataset, tmp_path / "votes.csv"
    file.write_text("path,label\ncat/a.png,cat\n")
    workspace = Workspace(folder.root.parents[1])
    before = attach.attach_votes(workspace, folder.name, file)
    monkeypatch.setattr(attach, slow, lambda *_: time.sleep(60))
    with pytest.raises(Cancelled, match="before the votes were attached"):
        attach.attach_votes(workspace, folder.name, file, progress=Progress(should_stop=lambda: True))
    assert workspace.dataset(folder.name).record.votes == before


def test_a_job_is_resumed_in_the_folder_that_its_paths_count_from(tmp_path, monkeypatch):
    (tmp_path / "here" / "images" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "here" / "images" / "cat" / "a.png")
    root = tmp_path / "workspace"
    monkeypatch.chdir(tmp_path / "here")
    job = Jobs(root).create("import", "pets", ["import", "pets", "images"])
    Jobs(root).write(job.model_copy(update={"state": "cancelled"}))
    monkeypatch.chdir(tmp_path)
    background.resume(root, job)
    assert wait_for(root, lambda job: not job.active).state == "done"
