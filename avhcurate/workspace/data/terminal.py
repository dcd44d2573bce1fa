"""Progress of long work: a bar with rate and time left on a terminal or in a notebook, a line now and then in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from avhcurate.workspace.disk.jobs import JobRecord

#: Seconds between two lines where no bar can be drawn.
_LINE_INTERVAL = 10.0
#: What the package notes; at the level ERROR nothing is shown.
LOG = logging.getLogger("avhcurate")


@contextmanager
def terminal_reports() -> Iterator[Callable[[JobRecord], None]]:
    """A listener for the reports of one job that shows them on stderr."""
    if not LOG.isEnabledFor(logging.WARNING):
        yield lambda job: None
        return
    if not (sys.stderr.isatty() or in_jupyter()):
        yield _lines()
        return
    from tqdm.auto import tqdm

    with tqdm(desc="starting") as bar:

        def show(job: JobRecord) -> None:
            if bar.total != job.total:
                bar.reset(job.total)
                bar.initial = job.done  # what an earlier call has done says nothing about the rate
            bar.n = job.done
            bar.set_description(job.message or job.verb)

        yield show


def _lines() -> Callable[[JobRecord], None]:
    """Return a listener that prints a line every few seconds."""
    last_line = time.monotonic()

    def print_line(job: JobRecord) -> None:
        nonlocal last_line
        if time.monotonic() - last_line <= _LINE_INTERVAL:
            return
        last_line = time.monotonic()
        line = f"{job.verb} {job.dataset}: {job.done} of {job.total}"
        if job.rate:
            line += f", {job.rate:.0f} a second"
        if job.eta_s is not None:
            line += f", {job.eta_s:.0f} s left"
        print(line, file=sys.stderr, flush=True)

    return print_line


def in_jupyter() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def in_notebook() -> bool:
    """Return whether a kernel of Jupyter or a notebook of marimo runs this."""
    marimo = sys.modules.get("marimo")
    return in_jupyter() or bool(marimo and marimo.running_in_notebook())
