"""Eight processes on one workspace at once: each ends with success or one line, and every acknowledged tag is there."""

import itertools
import multiprocessing
import time
from collections import Counter
from pathlib import Path

from tests.fakes.campaign.outcome import Outcome
from tests.fakes.child import avhcurate, in_child

PROCESSES = LEAST = 8


def attack(folder: Path, seconds: float) -> Outcome:
    outcome, space = Outcome(), ("--workspace", str(folder / "ws"))
    in_child(lambda: avhcurate("demo", *space))
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[list[tuple[str, int, str]]] = context.Queue()
    end = time.monotonic() + seconds
    workers = [context.Process(target=_work, args=(number, folder, space, end, results)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    ended = [one for _ in workers for one in results.get()]
    for worker in workers:
        worker.join()
    for verb, code, text in ended:
        outcome.check(code in (0, 2, 3) and "Traceback" not in text, f"{verb}: {code}, {text[:300]}")
    tagged = {verb.split()[-1] for verb, code, _ in ended if verb.startswith("tag") and code == 0}
    there = in_child(lambda: _tags(folder)).value or set()
    outcome.check(tagged <= there, f"tags lost: {sorted(tagged - there)[:5]}")
    counts = Counter(verb.split()[0] for verb, *_ in ended)
    outcome.figures = {verb: str(count) for verb, count in sorted(counts.items())}
    return outcome


def _work(number: int, folder: Path, space: tuple[str, ...], end: float, results: "multiprocessing.Queue") -> None:  # type: ignore[type-arg]
    done: list[tuple[str, int, str]] = []
    for turn in itertools.count():
        verbs = [
            ("tag", "digits", f"t{number}-{turn}", "--ids", str(turn)),
            ("export", "digits", "--format", "csv", "--out", str(folder / "same.csv"), "--force"),
            ("import", "again", str(folder / "ws" / "downloads"), "--force"),
            ("correlate", "digits", "--scores", "avh"),
            ("score", "digits", "--model", "avhcurate:digits"),
        ]
        call = verbs[(turn + number) % len(verbs)]
        said = avhcurate(*call, *space)
        done.append((" ".join(call[:3]), said.code, said.err))
        if time.monotonic() > end:
            break
    results.put(done)


def _tags(folder: Path) -> set[str]:
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.workspace.data.workspace import Workspace

    return set(open_dataset(Workspace(folder / "ws"), "digits").samples.group_counts("tags")["value"])
