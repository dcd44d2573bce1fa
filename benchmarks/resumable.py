"""Commands that are stopped and go on: by a signal or when their minutes are over, between two steps of the work, and
by the same settings alone.
"""

import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.files import write_atomic, write_json
from avhcurate.workspace.disk.jobs import Cancelled, Progress

#: What `settle` leaves in a folder of results.
SETTINGS = "settings.json"


def add_results(parser: ArgumentParser) -> None:
    """Add the options `--out`, `--report` and `--minutes`."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--report", action="store_true", help="print the tables and train nothing")
    add_minutes(parser)


def add_minutes(parser: ArgumentParser) -> None:
    """Add the option `--minutes`."""
    parser.add_argument("--minutes", type=float, help="stop after that many; the same command resumes [no limit]")


def settle(out: Path, settings: BaseModel) -> None:
    """Store the settings of a folder's results. Raises CurateError when it holds results of others.

    A folder that has none yet, as one from before they were stored, takes these.
    """
    path = out / SETTINGS
    if path.exists():
        refuse_others(out, dict(type(settings).model_validate_json(path.read_bytes())), dict(settings))
    else:
        write_json(path, settings)


def refuse_others(out: Path, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise CurateError when a folder holds results of other settings."""
    if other := [f"{name} {value}" for name, value in earlier.items() if value != now.get(name)]:
        raise CurateError(f"{out} holds results with {', '.join(other)}. Give the same options, or another --out.")


def run_until(work: Callable[[Progress], bool], minutes: float | None) -> int:
    """Runs `work`, which says whether all is done, and returns the exit status: 0 all is done, 1 the same command goes
    on, 2 a mistake of the user's.

    The progress that `work` gets asks it to stop at SIGINT, at SIGTERM and when the minutes are over.
    """
    stopped: list[int] = []
    end = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: stopped.append(number)) for number in numbers]
    try:
        return 0 if work(Progress(should_stop=lambda: bool(stopped) or time.monotonic() > end)) else 1
    except Cancelled as reason:
        say(str(reason))
        return 1
    except CurateError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def processor_time(path: Path) -> Iterator[Callable[[], float]]:
    """Gives the processor's seconds of work so far, over all calls that it took: `path` keeps them from one to the
    next. A call that is killed leaves none of its own.
    """
    earlier = float(path.read_text()) if path.exists() else 0.0
    began = time.process_time()

    def so_far() -> float:
        return earlier + time.process_time() - began

    try:
        yield so_far
    finally:
        write_atomic(path, f"{so_far():.3f}")


def say(text: str) -> None:
    print(text, flush=True)
