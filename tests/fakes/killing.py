"""Death at a chosen moment, for programs that tests start to see what is left on the disk."""

import os
import signal
import sys
from pathlib import Path
from typing import Any


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


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


#: Events of Python's auditing that change a disk.
_CHANGES = {f"os.{change}" for change in ("rename", "remove", "mkdir", "rmdir", "link", "symlink", "truncate")}


def is_change(event: str, arguments: tuple[Any, ...], folder: Path) -> bool:
    """Whether an event of Python's auditing changes what lies in a folder, locks apart."""
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if not writes and event not in _CHANGES:
        return False
    path = arguments[0]
    return isinstance(path, str | Path) and str(path).startswith(str(folder)) and not str(path).endswith(".lock")


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
