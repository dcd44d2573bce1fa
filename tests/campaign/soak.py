"""Twenty sessions that walk through the pages: memory, threads and open files of the server stay flat."""

import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.campaign.child import avhcurate, in_child
from tests.campaign.outcome import Outcome
from tests.campaign.served import Server, Session, served

SESSIONS = 20
PAGES = ("", "gallery", "disagreement", "correlation", "models", "suspects", "quality", "saved", "toy", "map")
#: What the second half of the time may have more than the first: megabytes, threads, open files.
GROWTH = (150, 12, 40)
#: Streamlit keeps closed sessions for two minutes, so that a tab may come back, and no more of them than this.
CLOSED_KEPT = 128
#: Files of the event loop that a session has, open or kept: the loop's own, and two sockets that wake it.
A_LOOP = 3


def attack(folder: Path, seconds: float) -> Outcome:
    outcome = Outcome()
    in_child(lambda: avhcurate("demo", "--workspace", str(folder)))
    with served(folder) as server, ThreadPoolExecutor(SESSIONS) as pool:
        end = time.monotonic() + seconds
        walks = [pool.submit(_walk, server, number, end) for number in range(SESSIONS)]
        readings = []
        while time.monotonic() < end:
            time.sleep(1)
            readings.append(_reading(server.pid))
        opened = [walk.result() for walk in walks]
        outcome.check(_reading(server.pid)[1] > 0, "the server has died")
    for fine, page in itertools.chain.from_iterable(opened):
        outcome.check(fine, f"page {page or 'home'} did not come to its end, or with an exception")
    _judge(np.array(readings), outcome)
    return outcome


def _judge(readings: np.ndarray, outcome: Outcome) -> None:
    """Compares the end with the middle: at the start caches fill."""
    middle, last = (np.median(part, axis=0) for part in np.array_split(readings[:, :3], 4)[1::2])
    for name, before, after, most in zip(("memory, MB", "threads", "open files"), middle, last, GROWTH, strict=True):
        outcome.check(after - before <= most, f"{name} grew from {before:.0f} to {after:.0f}")
        outcome.figures[name] = f"{before:.0f} to {after:.0f}"
    sessions = int(readings[:, 3].max())
    outcome.check(sessions <= CLOSED_KEPT + SESSIONS, f"{sessions} sessions were kept")
    outcome.figures["sessions kept"] = f"{sessions}"


def _walk(server: Server, number: int, end: float) -> list[tuple[bool, str]]:
    """Opens pages one after the other, in a new session every ten; whether each came to its end."""
    rng, opened = np.random.default_rng(number), []
    while time.monotonic() < end:
        session = Session(server)
        for page in rng.choice(PAGES, 10):
            opened.append((session.open(str(page), f"dataset=digits&page={rng.integers(9)}", seconds=120), str(page)))
            if time.monotonic() > end:
                break
        session.close()
    return opened


def _reading(pid: int) -> tuple[float, int, int, int]:
    """Memory in MB, threads, open files beside those of sessions, and sessions of a server; zeros where it is gone."""
    try:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        files = [_target(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return 0.0, 0, 0, 0
    loops = files.count("anon_inode:[eventpoll]") - 1  # one is the server's own
    return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(files) - A_LOOP * loops, loops


def _target(file: Path) -> str:
    """What a descriptor leads to, "" for one that was closed since."""
    try:
        return os.readlink(file)
    except OSError:
        return ""
