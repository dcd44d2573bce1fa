"""Progress of long work: a bar with rate and time left on a terminal or in a notebook, a line now and then in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from avhcurate.workspace.disk.job_record import JobRecord

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

    with tqdm(desc="starting", total=1.0, bar_format="{desc}{postfix} |{bar}|") as bar:

        def show(job: JobRecord) -> None:
            bar.n = job.share
            bar.set_description_str(job.message or job.verb, refresh=False)
            bar.set_postfix_str(", ".join(job.facts(time.time())))

        yield show


def _lines() -> Callable[[JobRecord], None]:
    """Return a listener that prints a line every few seconds, and one at once when the job does something else."""
    last_line = time.monotonic()
    message = ""

    def print_line(job: JobRecord) -> None:
        nonlocal last_line, message
        if job.message == message and time.monotonic() - last_line <= _LINE_INTERVAL:
            return
        last_line = time.monotonic()
        message = job.message
        facts = ", ".join([*job.facts(time.time()), *filter(None, [message])])
        print(f"{job.verb} {job.dataset}: {facts}", file=sys.stderr, flush=True)

    return print_line


def in_jupyter() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def in_notebook() -> bool:
    """Return whether a kernel of Jupyter or a notebook of marimo runs this."""
    marimo = sys.modules.get("marimo")
    return in_jupyter() or bool(marimo and marimo.running_in_notebook())
