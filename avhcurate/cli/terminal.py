"""Progress of long work on a terminal: a bar with rate and time left, or a line now and then in a log."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from avhcurate.disk.jobs import JobRecord

#: Seconds between two lines where no bar can be drawn.
_LINE_INTERVAL = 10.0


class Reporter:
    """Shows the reports of one job on stderr; use it as a context manager and as the job's listener."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task = None
        self._last_line = time.monotonic()
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("starting", total=None, rate="")

    def __enter__(self) -> "Reporter":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, job: JobRecord) -> None:
        """Takes one report."""
        rate = f"{job.rate:.0f}/s" if job.rate else ""
        if self._bar and self._task is not None:
            what = job.message or job.verb
            self._bar.update(self._task, completed=job.done, total=job.total, description=what, rate=rate)
        elif time.monotonic() - self._last_line > _LINE_INTERVAL:
            self._last_line = time.monotonic()
            left = f", {job.eta_s:.0f} s left" if job.eta_s is not None else ""
            print(f"{job.verb} {job.dataset}: {job.done} of {job.total} {rate}{left}", file=sys.stderr, flush=True)
