"""The server and its job are killed in the middle of every job; started again, the page resumes each to its end."""

import json
import os
import shlex
import signal
import time

import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.data import background
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.browser.pages import expect, open_at
from tests.fakes.datasets import write_images
from tests.fakes.waiting import wait_until
from tests.fakes.workspaces import copied

pytestmark = [pytest.mark.browser, pytest.mark.slow]
#: Each on what those before it have made.
JOBS = (
    "import again {photos}",
    "score again --model avhcurate:digits --head fit",
    "quality digits",
    "neighbours digits",
    "project digits",
    "predict digits",
    "lock digits",
    "score digits --model avhcurate:digits --head fit",
    "suspects digits",
    "payoff digits",
    "train digits --model avhcurate:resnet20 --epochs 1 --train-where 'id < 300' --held-out-where 'id >= 1700'",
    "degrade digits --kinds jpeg --limit 100",
    "self-train --source digits --target digits --source-where 'id < 60' --rounds 1 --epochs 1",
    "review {photos} --model avhcurate:digits",
)
#: Verbs of these that are done at once, and are no jobs.
AT_ONCE = {"lock"}


def killed_midway(server, jobs, before, seconds):
    """Kills the server, and then the job that follows another, so long after its start; returns it as it is left.

    A job that has ended by then is left as it is.
    """
    wait_until(lambda: jobs.newest().id != before)
    time.sleep(seconds)
    job = wait_until(lambda: (now := jobs.newest()).state != "starting" and now)
    if job.active:
        os.killpg(job.pid, signal.SIGSTOP)
    server.kill()
    assert jobs.read(job.id).state in ("running", "done")  # it outlives the server
    if job.active:
        os.killpg(job.pid, signal.SIGKILL)
    return wait_until(lambda: not (left := jobs.read(job.id)).active and left)


def ended(jobs, before):
    """Waits until the job that follows another has ended, and returns it."""
    return wait_until(lambda: (job := jobs.newest()).id != before and not job.active and job)


def results(cli, root):
    """What there is of each dataset: results by kind, and the whole table."""
    listed = json.loads(cli("list", "--json", "--workspace", root).out)["datasets"]
    return {
        one["name"]: (
            sorted((result["kind"], result["model"], result["n"], result["complete"]) for result in one["results"]),
            open_dataset(Workspace(root), one["name"]).samples.frame(),
        )
        for one in listed
    }


def test_every_job_that_is_killed_with_its_server_is_resumed_to_what_it_would_have_made(
    page, serve_fresh, own_demo_root, cli, tmp_path
):
    reference = copied(own_demo_root, tmp_path / "undisturbed")
    digits = read_digits()
    shown = {f"{label}/{n:04}.png": digits.images[n] for n, label in enumerate(digits.labels[:600])}
    photos = write_images(tmp_path / "photos", shown)
    jobs = Jobs(own_demo_root)
    server = serve_fresh(own_demo_root)
    killed = []
    for call in JOBS:
        words = [word.format(photos=photos) for word in shlex.split(call)]
        if words[0] in AT_ONCE:
            assert [cli(*words, "--workspace", root).code for root in (reference, own_demo_root)] == [0, 0]
            continue
        started = background.start(reference, words, verb=words[0], dataset=words[1])
        undisturbed = wait_until(lambda job=started.id: not (now := Jobs(reference).read(job)).active and now)
        assert undisturbed.state == "done", (call, undisturbed.message)
        # As somebody who had cancelled it before it began.
        asked = jobs.create(words[0], words[1], words)
        jobs.write(asked.model_copy(update={"state": "cancelled"}))
        open_at(page, server.address)
        page.get_by_role("button", name="Resume").click()
        left = killed_midway(server, jobs, asked.id, (undisturbed.updated - undisturbed.started) / 2)
        server.start()
        if left.state == "interrupted":
            killed.append(words[0])
            open_at(page, server.address)
            expect(page.get_by_text("was interrupted")).to_be_visible()
            page.get_by_role("button", name="Resume").click()
            left = ended(jobs, left.id)
        assert left.state == "done", (call, left.message)
    assert len(killed) > len(JOBS) // 2, killed
    found, expected = results(cli, own_demo_root), results(cli, reference)
    assert found.keys() == expected.keys()
    for name, (made, frame) in expected.items():
        assert found[name][0] == made
        pd.testing.assert_frame_equal(found[name][1], frame, atol=1e-4)
    assert cli("check", "--workspace", own_demo_root).code == 0
