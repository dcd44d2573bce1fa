"""Waiting for what another process or thread will do: never longer than it takes, and long enough when it is busy."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 300
T = TypeVar("T")


def wait_until(come: Callable[[], T]) -> T:
    """What `come` returns once it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := come()):
        assert time.monotonic() < deadline, f"nothing came of it in {PATIENCE_S} s"
        time.sleep(0.05)
    return found
