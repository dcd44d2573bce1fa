"""Work in a forked child: it shares what was imported, and its death, memory and files are its own."""

import gc
import io
import os
import pickle
import resource
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple


class Ended(NamedTuple):
    """How a child ended: its exit code, negative for a signal; what it returned; peak memory above the start, MB."""

    code: int
    value: Any
    megabytes: float
    seconds: float


def in_child(work: Callable[[], Any], *, limit: float = 600) -> Ended:
    """Runs `work` in a child, killed after `limit` seconds; an exception makes the code 1 and its text the value."""
    kept, given = os.pipe()
    started, pid = time.monotonic(), os.fork()
    if pid == 0:
        os.close(kept)
        # What was left for the collector stays: an inherited table of DuckDB would wait for threads of the parent.
        gc.freeze()
        _live(work, given)
    os.close(given)
    with os.fdopen(kept, "rb") as stream:
        os.set_blocking(stream.fileno(), False)
        text = _read(stream, pid, started + limit)
    _, status, _ = os.wait4(pid, 0)
    value, megabytes = pickle.loads(text) if text else (None, 0.0)
    return Ended(os.waitstatus_to_exitcode(status), value, megabytes, time.monotonic() - started)


def _live(work: Callable[[], Any], given: int) -> None:
    before = _peak()
    code: int = 0
    try:
        value = work()
    except SystemExit as end:
        value, code = None, int(end.code or 0)
    except BaseException as error:
        value, code = repr(error), 1
    os.write(given, pickle.dumps((value, _peak() - before)))
    os._exit(code)


def _read(stream: io.BufferedReader, pid: int, deadline: float) -> bytes:
    parts = []
    while True:
        part = stream.read()
        if part:
            parts.append(part)
        elif part == b"":
            return b"".join(parts)
        elif time.monotonic() > deadline:
            os.kill(pid, 9)
            deadline = float("inf")
        else:
            time.sleep(0.005)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Said(NamedTuple):
    """How a call of the command line ended."""

    code: int
    out: str
    err: str


def avhcurate(*arguments: str) -> Said:
    """Calls the command line in this process, which should be a child."""
    from avhcurate.cli import main

    sys.argv, out, err, code = ["avhcurate", *arguments], io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())
