"""Jobs as files: their state, progress and requests to cancel; one job at a time in a workspace."""

import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from avhcurate.errors import CurateError, Unavailable
from avhcurate.workspace.disk.files import remove_leftovers, write_json
from avhcurate.workspace.disk.job_record import JobRecord
from avhcurate.workspace.disk.provenance import UnknownVersion
from avhcurate.workspace.disk.room import disk_trouble

Result = TypeVar("Result")
#: Tells a process that the app started which job it is.
JOB_VARIABLE = "AVHCURATE_JOB"
#: Seconds between two writes of progress.json, and between two looks for a request to cancel.
_INTERVAL = 0.3
#: Seconds within which a started process must have taken the lock.
_START_LIMIT = 60.0
#: Seconds to wait for the lock: checking whether a job is alive takes it for a moment.
_PATIENCE = 1.0
_CANCELLED = "cancelled: the same command resumes"


class Cancelled(Exception):
    """The work was cancelled; what was committed stays."""


@dataclass(frozen=True)
class Progress:
    """Callbacks of long work: `report(done, total, message)` hears its progress, `should_stop()` may end it.

    `expect(now, later)` hears as a stage begins how many seconds it may take, and all that follow it; `opens(address)`
    hears of the page of the app that shows what there is by then.
    """

    report: Callable[[int, int, str], None] = lambda done, total, message: None
    should_stop: Callable[[], bool] = lambda: False
    expect: Callable[[float, float], None] = lambda now, later: None
    opens: Callable[[str], None] = lambda address: None

    def tell(self, done: int, total: int, message: str = "", *, cancelled: str = _CANCELLED) -> None:
        """Report, then raise Cancelled, saying `cancelled`, when the work should stop."""
        self.report(done, total, message)
        self.check(cancelled)

    def check(self, cancelled: str = _CANCELLED) -> None:
        if self.should_stop():
            raise Cancelled(cancelled)

    def waiting(self, read: Callable[[], Result], cancelled: str) -> Result:
        """Return what `read` returns, or raise Cancelled once the work should stop, even while it waits for a disk.

        For what changes nothing: it runs in a thread of its own, which a cancelled job leaves behind.
        """
        if self is SILENT:
            return read()
        result = Future[Result]()

        def keep() -> None:
            try:
                result.set_result(read())
            except BaseException as error:
                result.set_exception(error)

        threading.Thread(target=contextvars.copy_context().run, args=(keep,), daemon=True).start()
        while not wait([result], _INTERVAL).done:
            self.check(cancelled)
        self.check(cancelled)
        return result.result()

    def through(self, report: Callable[[int, int, str], None]) -> "Progress":
        """Return the progress of a part of the work, which reports to `report` and is stopped with the whole."""
        return replace(self, report=report)

    def after(self, before: int, total: int) -> "Progress":
        """Return the progress of work that follows `before` of all `total`."""
        return self.through(lambda done, _, message: self.report(before + done, total, message))

    def part(self, number: int, parts: int, title: str) -> "Progress":
        """Return the progress of part `number` of equal parts; its messages begin with `title`."""
        return self.through(
            lambda done, total, message: self.report(number * total + done, parts * total, f"{title}, {message}")
        )

    def steps(self, work: Mapping[str, tuple[float, Callable[["Progress"], object]]]) -> None:
        """Take steps in turn, by their titles, with the seconds that each may take: see `stages`."""
        stages = self.stages({title: seconds for title, (seconds, _) in work.items()})
        for number, (title, (_, step)) in enumerate(work.items(), 1):
            progress = stages.begin(title).titled(f"{title} ({number} of {len(work)})")
            progress.tell(0, 0)
            step(progress)

    def titled(self, title: str) -> "Progress":
        """Return the same progress, whose messages begin with `title`."""
        return self.through(
            lambda done, total, message: self.report(done, total, f"{title}: {message}".removesuffix(": "))
        )

    def stages(self, seconds: Mapping[str, float]) -> "Stages":
        """Return the stages of the work in their order, by the seconds that each may take on two quiet cores.

        0 for one that says itself how far it is, and of which nobody knows how long an item takes.
        """
        return Stages(self, dict(seconds))


class Stages:
    """Stages that follow each other. What those behind have taken corrects what is expected of those to come."""

    def __init__(self, progress: Progress, seconds: dict[str, float]) -> None:
        self._progress = progress
        self._left = seconds
        self._began = 0.0
        self._current = 0.0
        self._expected = 0.0
        self._taken = 0.0

    def begin(self, title: str) -> Progress:
        """Return the progress of a stage, whose begin is the end of those before; some may be left out."""
        now = time.monotonic()
        taken = now - self._began
        # What takes much less was done already, and says nothing of the machine.
        if taken > self._current / 4 > 0:
            self._expected += self._current
            self._taken += taken
        pace = _crowding()
        if self._expected:
            pace = self._taken / self._expected
        self._began = now
        titles = list(self._left)
        self._left = {name: self._left[name] for name in titles[titles.index(title) :]}
        self._current = self._left.pop(title)
        later = pace * sum(self._left.values())
        self._progress.expect(pace * self._current, later)
        return replace(self._progress, expect=lambda inside, after: self._progress.expect(inside, after + later))


def _crowding() -> float:
    """Return how many times as long work takes as on a quiet machine, by the processes that wait for a core."""
    if not hasattr(os, "getloadavg"):
        return 1.0
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


#: Work that reports to no one and is never stopped.
SILENT = Progress()


class Jobs:
    """The jobs of one workspace, in ROOT/jobs/ID/."""

    def __init__(self, root: Path) -> None:
        self.root = root / "jobs"
        self._lock = FileLock(self.root / "lock", timeout=0)

    def create(self, verb: str, dataset: str, argv: list[str], *, cwd: str = "", who: str = "") -> JobRecord:
        """Write the record of a job that is about to start, in `cwd` or else here."""
        id = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{verb}"
        record = JobRecord(id=id, verb=verb, dataset=dataset, argv=argv, cwd=cwd or os.getcwd(), who=who)
        for earlier in self.root.glob("*/"):
            remove_leftovers(earlier)  # of jobs that were killed while they reported
        self.write(record)
        return record

    def folder(self, job: str) -> Path:
        return self.root / job

    def write(self, record: JobRecord) -> None:
        write_json(self.folder(record.id) / "progress.json", record)

    def read(self, job: str) -> JobRecord | None:
        """Return the job's record; work whose process is gone is `interrupted`. None for one that cannot be read."""
        record = self._record(job)
        if record is None or not record.active:
            return record
        fresh = record.state == "starting" and time.time() - record.started < _START_LIMIT
        if fresh or self._lock_is_held():
            return record
        # It may have ended, and said so, after the first look.
        record = self._record(job)
        if record and record.active:
            record.state = "interrupted"
        return record

    def _record(self, job: str) -> JobRecord | None:
        try:
            return JobRecord.model_validate_json((self.folder(job) / "progress.json").read_bytes())
        except (OSError, ValidationError, UnknownVersion):
            return None

    def all(self) -> Iterator[JobRecord]:
        """Yield the readable records, newest first."""
        names = sorted((path.name for path in self.root.glob("*-*") if path.is_dir()), reverse=True)
        yield from filter(None, map(self.read, names))

    def newest(self) -> JobRecord | None:
        return next(self.all(), None)

    def request_cancel(self, job: str) -> None:
        (self.folder(job) / "cancel").touch()

    def refuse_second(self) -> None:
        if (newest := self.newest()) and newest.active:
            raise Unavailable(f"`{newest.verb} {newest.dataset}` is running. Wait for it or cancel it first.")

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Keep jobs from running while the block works; refused while one runs or is about to."""
        self.refuse_second()
        with self._holding_lock():
            yield

    @contextmanager
    def running(self, record: JobRecord, *, on_report: Callable[[JobRecord], None] | None = None) -> Iterator[Progress]:
        """Hold the workspace's lock while the block works, and record how it ended."""
        try:
            with self._holding_lock(but=record.id):
                running = _RunningJob(self, record, on_report)
                ended: dict[str, Any] = {"state": "done"}
                try:
                    yield Progress(running.report, running.should_stop, running.expect, running.opens)
                except (Cancelled, KeyboardInterrupt):
                    ended = {"state": "cancelled"}
                    raise
                except BaseException as error:
                    ended = {"state": "failed", "message": disk_trouble(error) or str(error) or type(error).__name__}
                    if isinstance(error, CurateError):
                        ended["problem"] = error.text
                    raise
                finally:
                    running.finish(**ended)
        except _AnotherRuns as error:
            self.write(record.model_copy(update={"state": "failed", "message": str(error)}))
            raise

    @contextmanager
    def _holding_lock(self, *, but: str = "") -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=_PATIENCE)
        except Timeout:
            names = (f"`{job.verb} {job.dataset}`" for job in self.all() if job.active and job.id != but)
            name = next(names, "Another job")
            raise _AnotherRuns(f"{name} is running in this workspace. Wait for it or cancel it first.") from None
        try:
            yield
        finally:
            self._lock.release()

    def _lock_is_held(self) -> bool:
        if self._lock.is_locked:
            return True
        try:
            with FileLock(self.root / "lock", timeout=0):
                return False
        except Timeout:
            return True


class _AnotherRuns(Unavailable):
    """Another job holds the workspace's lock."""


class _RunningJob:
    def __init__(self, jobs: Jobs, record: JobRecord, on_report: Callable[[JobRecord], None] | None) -> None:
        self._jobs = jobs
        self._on_report = on_report
        self._cancel = jobs.folder(record.id) / "cancel"
        self._counts: dict[int, float] = {}
        self._stage: tuple[float, float] | None = None
        self._later = 0.0
        self._began = time.time()
        self.record = record
        self._write(state="running", pid=os.getpid())
        self._written = 0.0  # the first report is written whenever it comes

    def report(self, done: int, total: int, message: str) -> None:
        """Note that `done` of `total` samples are finished; rate and time left follow from the calls so far."""
        now = time.time()
        rate, left = self._course(now, done, total)
        changes: dict[str, Any] = {"done": done, "total": total, "message": message, "updated": now, "rate": rate}
        changes |= {"eta_s": None, "share": done / max(total, 1)}
        if left is not None:
            changes["eta_s"] = left + self._later
        if self._stage is not None:
            changes["share"] = self.record.share
            if left is not None:
                passed = now - self._began
                changes["share"] = passed / max(passed + left + self._later, 1e-9)
        self.record = self.record.model_copy(update=changes)
        if self._on_report:
            self._on_report(self.record)
        if now - self._written > _INTERVAL or done == total:
            self._write()

    def _course(self, now: float, done: int, total: int) -> tuple[float | None, float | None]:
        """Return the rate and the seconds left of what is counted: the more was counted, the less was expected counts.

        Another `total`, or fewer done, is counted anew.
        """
        if total != self.record.total or done < self.record.done:
            self._counts = {}
        if len(self._counts) < 3:
            self._counts.setdefault(done, now)
        # From the second count on: what was made ready for the first says nothing of the others.
        before, first = list(self._counts.items())[max(0, len(self._counts) - 2)]
        expected = None
        if self._stage is not None and self._stage[1]:
            expected = max(0.0, sum(self._stage) - now)
        if done == before or now == first:
            return None, expected
        rate = (done - before) / (now - first)
        left = (total - done) / rate
        if expected:
            left = (done * left + (total - done) * expected) / max(total, 1)
        return rate, left

    def expect(self, now: float, later: float) -> None:
        """Begin a stage of about `now` seconds, 0 where only its reports say, and `later` seconds of what follows."""
        self._counts = {}
        self._stage = time.time(), now
        self._later = later

    def should_stop(self) -> bool:
        return self._cancel.exists()

    def opens(self, address: str) -> None:
        self._write(opens=address)

    def finish(self, **changes: Any) -> None:
        with suppress(OSError):  # a full disk: the reader finds the job's process gone
            self._write(eta_s=None, updated=time.time(), **changes)

    def _write(self, **changes: Any) -> None:
        self.record = self.record.model_copy(update=changes)
        self._jobs.write(self.record)
        self._written = time.time()
