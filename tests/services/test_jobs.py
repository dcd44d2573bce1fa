"""Jobs started in the background: they report, outlive their starter's interest, and say why they failed."""

import time

import pytest

from avhcurate.errors import CurateError
from avhcurate.services import jobs


def wait_for(workspace, done):
    for _ in range(600):
        job = jobs.current(workspace)
        if done(job):
            return job
        time.sleep(0.1)
    raise AssertionError(f"nothing came of {job}")


def test_a_job_that_fails_at_once_gives_its_last_line_as_reason(tmp_path):
    started = jobs.start(tmp_path, ["score", "nothing", "--model", "avhcurate:digits"], verb="score", dataset="nothing")
    assert started.active
    with pytest.raises(CurateError, match="score nothing"):
        jobs.start(tmp_path, ["demo"], verb="demo")
    job = wait_for(tmp_path, lambda job: not job.active)
    assert job.state == "failed"
    assert "nothing" in job.message
