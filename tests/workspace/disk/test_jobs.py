"""Jobs as files: how they end, one at a time, and what is said of those that were killed."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from avhcurate.errors import CurateError, Option, Run, Text
from avhcurate.workspace.disk.jobs import Cancelled, Jobs


@pytest.fixture
def jobs(tmp_path):
    return Jobs(tmp_path)


HOLDER = """
import sys, time
from pathlib import Path
from avhcurate.workspace.disk.jobs import Jobs
jobs = Jobs(Path(sys.argv[1]))
with jobs.running(jobs.create("score", "digits", [])) as progress:
    progress.tell(3, 10)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_process(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()


def test_a_finished_job_says_done_and_how_far_it_came(jobs):
    reports = []
    with jobs.running(jobs.create("score", "digits", ["score"]), on_report=reports.append) as progress:
        progress.tell(0, 20)
        time.sleep(0.02)
        progress.tell(20, 20, "scoring")
    newest = jobs.newest()
    assert (newest.state, newest.done, newest.total, newest.message) == ("done", 20, 20, "scoring")
    assert newest.rate > 0
    assert [report.done for report in reports] == [0, 20]


@pytest.mark.parametrize(
    ("error", "state"),
    [(Cancelled(), "cancelled"), (KeyboardInterrupt(), "cancelled"), (ValueError("no disk"), "failed")],
)
def test_a_job_that_raises_says_how_it_ended(jobs, error, state):
    with pytest.raises(type(error)), jobs.running(jobs.create("score", "digits", [])):
        raise error
    assert jobs.newest().state == state
    if state == "failed":
        assert jobs.newest().message == "no disk"


def test_a_job_that_fails_keeps_the_parts_of_its_error_for_a_page(jobs):
    error = CurateError("The classes differ.", fix=f"Add {Option('head', 'fit')}, or {Run('train', 'a b', folds='3')}")
    with pytest.raises(CurateError), jobs.running(jobs.create("score", "digits", [])):
        raise error
    kept = jobs.newest()
    assert kept.message == "The classes differ. Add --head fit, or run `avhcurate train 'a b' --folds 3`."
    assert str(kept.problem) == kept.message
    assert kept.problem == error.text
    assert kept.problem[-4:] == Text(Option("head", "fit"), ", or ", Run("train", "a b", folds="3"), ".")


class Clock:
    """A clock that the test sets, and the reports of a job by it."""

    def __init__(self, monkeypatch):
        self.now, self.told = time.time(), []
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.0, 0.0))

    def passed(self, seconds):
        self.now += seconds

    @property
    def left(self):
        return self.told[-1].eta_s


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_rate_and_time_left_count_only_what_this_run_did(jobs, clock):
    with jobs.running(jobs.create("score", "digits", []), on_report=clock.told.append) as progress:
        progress.tell(900, 1000)  # resumed: 900 were there
        clock.passed(2)
        progress.tell(910, 1000)
        assert (clock.told[-1].rate, clock.left) == (pytest.approx(5), pytest.approx(90 / 5))
        clock.passed(1)
        progress.tell(920, 1000)  # the first ones waited for what was made ready
        assert (clock.told[-1].rate, clock.left) == (pytest.approx(10), pytest.approx(80 / 10))
        progress.tell(0, 1000)  # other work on as many
        assert (clock.told[-1].rate, clock.left) == (None, None)
        progress.tell(0, 500)
        assert (clock.told[-1].rate, clock.left) == (None, None)


def test_the_time_left_has_the_stages_that_follow_corrected_by_those_behind(jobs, clock):
    with jobs.running(jobs.create("score", "digits", []), on_report=clock.told.append) as progress:
        stages = progress.stages({"images": 0, "heads": 10, "float32": 7, "table": 4})
        images = stages.begin("images")
        images.tell(0, 100)
        assert clock.left is None
        clock.passed(2)
        images.tell(50, 100)
        assert clock.left == pytest.approx(2 + 10 + 7 + 4)
        assert clock.told[-1].share == pytest.approx(2 / 25)
        heads = stages.begin("heads")
        heads.tell(0, 6, "0 of 6 heads fitted")
        assert clock.left == pytest.approx(10 + 7 + 4)
        clock.passed(3)
        heads.tell(0, 6, "0 of 6 heads fitted")
        assert clock.left == pytest.approx(7 + 7 + 4)
        clock.passed(2)
        heads.tell(1, 6, "1 of 6 heads fitted")
        assert clock.left == pytest.approx((1 * 25 + 5 * 5) / 6 + 7 + 4)  # one of six says little yet
        clock.passed(3)
        heads.tell(2, 6, "2 of 6 heads fitted")
        assert clock.left == pytest.approx((2 * 12 + 4 * 2) / 6 + 7 + 4)
        clock.passed(12)
        heads.tell(5, 6, "5 of 6 heads fitted")
        assert clock.left == pytest.approx(15 / 4 + 7 + 4)  # nothing is left of what was expected
        table = stages.begin("table")  # without the comparison; the machine is half as fast as expected
        table.tell(0, 0, "class prototypes")
        assert clock.left == pytest.approx(2 * 4)
        assert clock.told[-1].share == pytest.approx(22 / 30)


def test_on_a_busy_machine_stages_are_expected_to_take_longer_from_the_first(jobs, clock, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (6.0, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with jobs.running(jobs.create("suspects", "digits", []), on_report=clock.told.append) as progress:
        progress.stages({"heads": 2, "sources": 3}).begin("heads").tell(0, 5)
        assert clock.left == pytest.approx(3 * (2 + 3))


def test_stages_within_a_stage_know_what_follows_it(jobs, clock):
    with jobs.running(jobs.create("demo", "digits", []), on_report=clock.told.append) as progress:
        stages = progress.stages({"suspects": 5, "map": 30})
        within = stages.begin("suspects").stages({"heads": 2, "sources": 3})
        within.begin("heads").tell(0, 0, "heads")
        assert clock.left == pytest.approx(2 + 3 + 30)
        clock.passed(0.1)  # they were there
        within.begin("sources").tell(0, 0, "sources")
        assert clock.left == pytest.approx(3 + 30)


def test_a_full_disk_at_the_start_leaves_the_next_job_free(jobs, tmp_path, monkeypatch):
    record = jobs.create("score", "digits", [])

    def full(record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "write", full)
        with pytest.raises(OSError, match="No space"), jobs.running(record):
            pass
    later = Jobs(tmp_path)
    with later.running(later.create("score", "digits", [])):
        pass
    assert later.newest().state == "done"


def test_one_job_at_a_time_and_the_refused_one_names_the_other(jobs, other_process):
    assert jobs.newest().state == "running"
    with pytest.raises(CurateError, match="score digits"), jobs.running(jobs.create("score", "pacs", [])):
        pass


def test_a_job_that_ends_while_it_is_looked_at_is_done(jobs, monkeypatch):
    record = jobs.create("score", "digits", [])
    jobs.write(record.model_copy(update={"state": "running"}))

    def ended_by_now():
        jobs.write(record.model_copy(update={"state": "done"}))
        return False

    monkeypatch.setattr(jobs, "_lock_is_held", ended_by_now)
    assert jobs.read(record.id).state == "done"


def test_a_killed_job_is_interrupted_and_the_next_may_start(jobs, other_process):
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait()
    newest = jobs.newest()
    assert (newest.state, newest.done) == ("interrupted", 3)
    with jobs.running(jobs.create("score", "digits", [])):
        pass
    assert jobs.newest().state == "done"


def test_a_damaged_record_is_passed_over(jobs):
    with jobs.running(jobs.create("score", "digits", [])):
        pass
    broken = jobs.create("score", "pacs", [])
    (jobs.folder(broken.id) / "progress.json").write_text("{")
    assert jobs.newest().dataset == "digits"
