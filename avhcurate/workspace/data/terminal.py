"""Progress of long work on a terminal: a bar with rate and time left, or a line every ten seconds in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from avhcurate.workspace.disk.jobs import JobRecord

#: Seconds between two lines where no bar can be drawn.
_LINE_INTERVAL = 10.0


@contextmanager
def terminal_reports() -> Iterator[Callable[[JobRecord], None]]:
    """A listener for the reports of one job that shows them on stderr."""
    last_line = time.monotonic()

    def print_line(job: JobRecord) -> None:
        nonlocal last_line
        if time.monotonic() - last_line > _LINE_INTERVAL:
            last_line = time.monotonic()
            left = f", {job.eta_s:.0f} s left" if job.eta_s is not None else ""
            print(
                f"{job.verb} {job.dataset}: {job.done} of {job.total} {_rate(job)}{left}", file=sys.stderr, flush=True
            )

    if not sys.stderr.isatty():
        yield print_line
        return
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")]
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None, rate="")
        yield lambda job: bar.update(
            task, completed=job.done, total=job.total, description=job.message or job.verb, rate=_rate(job)
        )


def _rate(job: JobRecord) -> str:
    return f"{job.rate:.0f}/s" if job.rate else ""
