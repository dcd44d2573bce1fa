"""Death at a chosen moment, for programs that tests start to see what is left on the disk."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fakes.waiting import wait_until


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lines_until_killed(script: str, count: int) -> list[str]:
    """What a program in Python has printed when a kill -9 ends it after so many lines."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(count)]
        process.kill()
        lines += process.stdout.readlines()
    return [line.strip() for line in lines if line.endswith("\n")]


def die_at_rename(number: int, before: bool, to: str = "") -> None:
    """Kills this process at its rename of that number, before or after it; `to` is part of the names that count."""
    rename, count = os.replace, 0

    def killing(source: str | Path, target: str | Path) -> None:
        nonlocal count
        count += to in str(target)
        if count == number and before:
            die()
        rename(source, target)
        if count == number:
            die()

    os.replace = killing


#: Events of Python's auditing that may change a disk.
CHANGES = {"open", *(f"os.{what}" for what in ("rename", "remove", "mkdir", "rmdir", "link", "symlink", "truncate"))}


def is_change(event: str, arguments: tuple[Any, ...], folder: Path) -> bool:
    """Whether an event of Python's auditing changes what lies in a folder, locks apart."""
    if event not in CHANGES:
        return False
    path = arguments[0]
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
        return False
    if event == "os.mkdir" and os.path.isdir(path):  # it is there, which `exist_ok` takes
        return False
    inside = isinstance(path, str | Path) and str(path).startswith(str(folder))
    return inside and not str(path).endswith(("/lock", ".lock"))


def die_at_change(number: int, folder: Path) -> None:
    """Kills this process just before its change of that number (from 1) to what lies in a folder, locks apart."""
    count = 0

    def count_change(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if is_change(event, arguments, folder):
            count += 1
            if count == number:
                die()

    sys.addaudithook(count_change)


#: System calls that change a disk, also those of SQLite and Arrow; what is mapped into memory is not seen.
_CALLS = (
    *("write", "writev", "pwrite64", "pwritev", "fsync", "fdatasync", "ftruncate", "fallocate"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "rmdir", "link", "symlink"),
)
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)")


def trace_calls(log: Path) -> None:
    """Write this process's calls that change a disk into a file, from now on."""
    _trace("-y", "-e", f"trace={','.join(_CALLS)}", "-o", str(log))


def die_at_call(call: str, number: int) -> None:
    """Kill this process at the call of that name and number (from 1) in one of its threads, instead of making it."""
    _trace("-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")


def _trace(*options: str) -> None:
    words = ["strace", "-f", "-q", *options, "-p", str(os.getpid())]
    subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    for _ in range(1000):
        if "TracerPid:\t0" not in Path("/proc/self/status").read_text():
            return
        time.sleep(0.01)
    raise RuntimeError("strace does not attach")


def _ended(log: Path) -> str:
    """Return what strace wrote, "" until it has seen the end of the process."""
    text = log.read_text(errors="replace")
    if text.endswith("+++\n"):
        return text
    return ""


def calls_in(log: Path, folder: Path) -> list[tuple[str, int]]:
    """Return name and number, in its thread, of each call that changed something in a folder, locks apart."""
    seen, found = Counter[tuple[str, str]](), []
    for line in wait_until(lambda: _ended(log)).splitlines():
        if match := _LINE.match(line):
            thread, call, rest = match.groups()
            seen[thread, call] += 1
            if str(folder) in rest and ".lock" not in rest:
                found.append((call, seen[thread, call]))
    return found
