"""Jobs in a process of their own: started with the command line, found again, cancelled and resumed."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.settings import VerbSettings
from avhcurate.workspace.disk.app_files import CHECKOUT
from avhcurate.workspace.disk.job_record import JobRecord
from avhcurate.workspace.disk.jobs import JOB_VARIABLE, SILENT, Jobs, Progress

_LOG = logging.getLogger("avhcurate")


def launch(
    argv: Sequence[str],
    *,
    module: str = "avhcurate",
    environment: dict[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    **streams: Any,
) -> "subprocess.Popen[bytes]":
    """Start a process of `python -m MODULE ARGV`, which finds this package from any folder."""
    paths = os.pathsep.join(filter(None, [str(CHECKOUT or ""), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *argv],
        env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        stdin=stdin,
        **streams,
    )


def reason(output: bytes, code: int) -> str:
    """Return why a process ended: the last line that it wrote, else its code."""
    lines = output.decode(errors="replace").strip().splitlines()
    return [f"the process ended with code {code}", *lines][-1]


def start(workspace: Path, argv: Sequence[str], *, verb: str, dataset: str = "", cwd: str = "") -> JobRecord:
    """Run `avhcurate ARGV` in the background, in `cwd` or else here; for curators, refused while another job runs.

    The process outlives the server that started it; its output goes to log.txt next to progress.json.
    """
    person = require(Role.CURATOR, "running jobs")
    jobs = Jobs(workspace)
    jobs.refuse_second()
    record = jobs.create(verb, dataset, list(argv), cwd=cwd, who=person.name)
    with open(jobs.folder(record.id) / "log.txt", "wb") as log:
        process = launch(
            [*argv, "--workspace", str(workspace.absolute())],
            environment={JOB_VARIABLE: record.id},
            cwd=record.cwd if Path(record.cwd).is_dir() else None,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    threading.Thread(target=_await, args=(jobs, record.id, process), daemon=True).start()
    return record


def resume(workspace: Path, job: JobRecord) -> JobRecord:
    """Start a stopped job again with the same arguments; what it had committed is not done twice."""
    if not job.argv:
        raise CurateError(f"{job.verb} {job.dataset} used data in a notebook's memory. Run its cell there again.")
    return start(workspace, job.argv, verb=job.verb, dataset=job.dataset, cwd=job.cwd)


def cancel(workspace: Path, job: str) -> None:
    require(Role.CURATOR, "cancelling jobs")
    Jobs(workspace).request_cancel(job)


@contextmanager
def job(workspace: Path, settings: VerbSettings, *, resumes: bool = True) -> Iterator[Progress]:
    """Run the block as the workspace's job, the one that `start` created or a new one, with progress on the terminal.

    Without `resumes` the job has no command line: it needs what is in this process's memory only.
    """
    from avhcurate.workspace.data.terminal import terminal_reports

    jobs = Jobs(workspace)
    argv = settings.argv if resumes else []
    started = time.monotonic()
    record = _started(jobs) or jobs.create(settings.verb, settings.subject, argv)
    _LOG.info("%s in %s", settings.line, workspace)
    with terminal_reports() as show, jobs.running(record, on_report=show) as progress:
        yield progress
    _LOG.info("%s of %s done in %.1f s", settings.verb, settings.subject, time.monotonic() - started)


@contextmanager
def run_started(workspace: Path) -> Iterator[Progress]:
    """Make this process the job that `start` created; called from a shell it is not a job, and reports nothing."""
    jobs = Jobs(workspace)
    record = _started(jobs)
    if record is None:
        yield SILENT
        return
    with jobs.running(record) as progress:
        yield progress


def _started(jobs: Jobs) -> JobRecord | None:
    """Return the job that `start` created this process for."""
    return jobs.read(os.environ.get(JOB_VARIABLE) or "none")


def _await(jobs: Jobs, job: str, process: subprocess.Popen[bytes]) -> None:
    """Reap the process; a job that ended before it could say why gets the last line of its log."""
    process.wait()
    record = jobs.read(job)
    if record and record.state == "starting":
        why = reason((jobs.folder(job) / "log.txt").read_bytes(), process.returncode)
        jobs.write(record.model_copy(update={"state": "failed", "message": why}))
