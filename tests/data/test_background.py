"""Jobs started in the background: they report, outlive their starter's interest, and say why they failed."""

import pytest
from PIL import Image

from avhcurate.data import background
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Jobs
from avhcurate.errors import CurateError
from tests.fakes.waiting import wait_until


def wait_for(workspace, done):
    return wait_until(lambda: (job := Jobs(workspace).newest()) and done(job) and job)


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


def test_an_import_is_a_job_only_when_it_was_started_as_one(tmp_path):
    (tmp_path / "images" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "cat" / "a.png")
    root = tmp_path / "workspace"
    background.start(root, ["import", "pets", str(tmp_path / "images")], verb="import", dataset="pets")
    assert wait_for(root, lambda job: not job.active).state == "done"
    assert Workspace(root).names() == ["pets"]
    with background.run_started(root):
        assert not Jobs(root).newest().active


def test_votes_that_cannot_be_attached_say_why(tmp_path):
    background.start(tmp_path, ["votes", "nothing", str(tmp_path / "none.csv")], verb="votes", dataset="nothing")
    job = wait_for(tmp_path, lambda job: not job.active)
    assert job.state == "failed"
    assert "none.csv" in job.message


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
