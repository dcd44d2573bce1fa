"""Fifty annotators on five servers that are killed again and again: no acknowledged answer is lost or counts twice."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.fakes.campaign.outcome import Outcome
from tests.fakes.databases import NoPostgres, postgres_server
from tests.fakes.waiting import wait_until

SERVERS, ANNOTATORS = 5, 10
SAMPLES = 3000
#: Answers that are acknowledged at least, whatever the time.
LEAST = 20

#: A server: threads that answer as fast as they can, each acknowledged answer a line.
SERVER = """
    import sys, threading, uuid
    from avhcurate.features.annotate import answers, queue
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.datasets.table.open_dataset import open_dataset
    table = open_dataset(Workspace(sys.argv[1]), "pets")

    def annotate(who):
        while True:
            for question in queue.next_questions(table.decisions, table.votes, table.run, who):
                nonce = uuid.uuid4().hex
                parts = table.decisions, table.votes, table.run
                reply = answers.answer(*parts, who, question.task, question.id, 0, nonce=nonce, reaction_ms=500)
                if reply == "":
                    print(f"{who} {question.id}\\n", end="", flush=True)

    for number in range(int(sys.argv[3])):
        threading.Thread(target=annotate, args=(f"{sys.argv[2]}-{number}",), daemon=True).start()
    threading.Event().wait()
"""


def attack(folder: Path, seconds: float) -> Outcome:
    outcome = Outcome()
    for name in ("SQLite", "PostgreSQL"):
        try:
            with _database(name, folder) as address:
                _attack(folder / name, address, seconds / 2, name, outcome)
        except NoPostgres as reason:
            outcome.figures[name] = str(reason)
    return outcome


@contextmanager
def _database(name: str, folder: Path) -> Iterator[str]:
    if name == "SQLite":
        yield f"sqlite:///{folder / 'annotations.db'}"
        return
    with postgres_server() as address:
        yield address


def _attack(place: Path, address: str, seconds: float, name: str, outcome: Outcome) -> None:
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.features.annotate import annotators
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.votes import collect, make_labelled

    os.environ["AVHCURATE_DATABASE_URL"] = address
    try:
        make_labelled(Workspace(place), [0, 1, 2] * (SAMPLES // 3))
        opened = open_dataset(Workspace(place), "pets")
        collect(opened)
        acknowledged, kills = _rounds(place, seconds)
        found = annotators.responses(opened.votes, controls=True)
    finally:
        del os.environ["AVHCURATE_DATABASE_URL"]
    kept = Counter(f"{who} {id}" for who, id in zip(found["annotator"], found["id"], strict=True))
    for line in acknowledged:
        outcome.check(kept[line] == 1, f"{name}: {line} is there {kept[line]} times")
    outcome.figures[name] = f"{len(acknowledged):,} answers, {kills} kills"


def _rounds(place: Path, seconds: float) -> tuple[list[str], int]:
    """What servers acknowledged before they were killed, one after the other, and how many kills there were."""
    rng, kills, acknowledged = np.random.default_rng(0), 0, []
    servers = [_start(place, number) for number in range(SERVERS)]
    # The time counts from the first answer: five processes that start on a busy machine take long.
    wait_until(lambda: any(_output(server).stat().st_size for server in servers))
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(acknowledged) < LEAST:
        time.sleep(rng.uniform(0.2, 1))
        at_work = [number for number, server in enumerate(servers) if _output(server).stat().st_size]
        if at_work:
            number = int(rng.choice(at_work))
            acknowledged += _kill(servers[number])
            servers[number] = _start(place, number)
            kills += 1
    for server in servers:
        acknowledged += _kill(server)
    return acknowledged, kills + SERVERS


def _start(place: Path, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(SERVER), str(place), f"team{number}", str(ANNOTATORS)]
    output = place / f"acknowledged-{number}"  # a file takes any number of lines, a pipe only so many unread
    return subprocess.Popen(command, stdout=output.open("w"), stderr=subprocess.DEVNULL, text=True)


def _kill(server: subprocess.Popen[str]) -> list[str]:
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    text = _output(server).read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def _output(server: subprocess.Popen[str]) -> Path:
    place, team = server.args[3], server.args[4]  # type: ignore[index]
    return Path(str(place)) / f"acknowledged-{str(team).removeprefix('team')}"
