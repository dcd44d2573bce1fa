"""Death at a chosen moment, for programs that tests start to see what is left on the disk."""

import os
import signal
from pathlib import Path


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_rename(number: int, before: bool) -> None:
    """Kills this process at its rename of that number, before or after it."""
    rename, count = os.replace, 0

    def killing(source: str | Path, target: str | Path) -> None:
        nonlocal count
        count += 1
        if count == number and before:
            die()
        rename(source, target)
        if count == number:
            die()

    os.replace = killing
