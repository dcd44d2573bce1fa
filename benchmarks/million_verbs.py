"""Measure commands on the workspace of `benchmarks.million`: `python -m benchmarks.million_verbs FOLDER`.

    python -m benchmarks.million --make FOLDER --pictures 990000
    python -m benchmarks.million_verbs FOLDER

Each verb runs in a process of its own, one after another: its clock, its processor time with all threads, its peak of
memory; what it said goes to the error output. With fewer pictures than samples, the last samples are copies of the
first, byte for byte, which `quality` has to find. What a verb has kept of an earlier call is there already: begin with
a fresh folder.

    python -m benchmarks.million_verbs FOLDER --photos PHOTOS --busy 6

FOLDER is a new workspace, PHOTOS a labelled source of `avhcurate import`; their votes are drawn. `predict`, `suspects`,
`quality` and `score --head fit` run twice: as the machine is and, on a copy, beside so many processes that are busy.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avhcurate.workspace.data.workspace import Workspace
from benchmarks.instant import busy
from benchmarks.markdown import table
from benchmarks.million import NAME

#: The halves between which a head is adapted: the samples were drawn in no order.
_HALVES = ("--source", NAME, "--target", NAME, "--source-where", "id % 2 = 0", "--target-where", "id % 2 = 1")

#: In the order in which they use what the one before has kept.
VERBS: dict[str, tuple[str, ...]] = {
    "neighbours": ("neighbours", NAME),
    "suspects": ("suspects", NAME),
    "suspects out of fold": ("suspects", NAME, "--out-of-fold"),
    "quality": ("quality", NAME),
    "self-train": ("self-train", *_HALVES, "--rounds", "1", "--epochs", "1"),
    "predict": ("predict", NAME),
    "correlate": ("correlate", NAME),
    "select": ("select", NAME, "--rule", "avc", "--portion", "0.2", "--out", "selected.parquet", "--force"),
    "export": ("export", NAME, "--format", "parquet", "--out", "labels.parquet", "--force"),
}

PHOTOS = "photos"
#: What multiplies small matrices, and image quality.
SMALL: dict[str, tuple[str, ...]] = {
    "score --head fit": ("score", PHOTOS, "--model", "efficientnet-lite0", "--head", "fit"),
    "predict": ("predict", PHOTOS),
    "suspects": ("suspects", PHOTOS),
    "quality": ("quality", PHOTOS),
}
#: Annotators of a photo, how often one takes the label that it has, and the seed of their votes.
_VOTES = 10
_AGREES = 0.8
_SEED = 0


@dataclass(frozen=True)
class Cost:
    """Seconds of clock and processor, gigabytes at the peak, exit code and output of one process."""

    clock: float
    processor: float
    peak: float
    code: int
    said: str


def cost_of(arguments: tuple[str, ...], workspace: Path) -> Cost:
    """Run one verb."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        command = [sys.executable, "-m", "avhcurate", *arguments, "--workspace", str(workspace.absolute())]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=workspace)
        # Its own use alone, which `resource` tells of all children together.
        _, status, used = os.wait4(process.pid, 0)
        clock = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    return Cost(clock, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, process.returncode, said)


def import_photos(workspace: Path, source: str) -> None:
    """Make a workspace of a labelled source, with votes by chance."""
    workspace.mkdir(parents=True)
    _done(("import", PHOTOS, source), workspace)
    dataset = Workspace(workspace).dataset(PHOTOS)
    labels = dataset.labels()
    chances = np.full((len(labels), len(dataset.record.classes)), (1 - _AGREES) / (len(dataset.record.classes) - 1))
    chances[np.arange(len(labels)), labels] = _AGREES
    np.save(workspace / "votes.npy", np.random.default_rng(_SEED).multinomial(_VOTES, chances))
    _done(("votes", PHOTOS, "votes.npy"), workspace)


def beside(workspace: Path, number: int) -> Iterator[list[str]]:
    """Yield a row of each of `SMALL`: its cost as the machine is and beside so many busy processes, and the ratios."""
    for name, arguments in SMALL.items():
        with tempfile.TemporaryDirectory() as folder, busy_processes(number):
            other = shutil.copytree(workspace, Path(folder) / "workspace")
            loaded = _done(arguments, other)
        quiet = _done(arguments, workspace)
        seconds = [f"{cost:.1f}" for cost in (quiet.processor, loaded.processor, quiet.clock, loaded.clock)]
        ratios = [f"{loaded.processor / quiet.processor:.2f}", f"{loaded.clock / quiet.clock:.1f}"]
        yield [name, *seconds[:2], ratios[0], *seconds[2:], ratios[1]]


@contextmanager
def busy_processes(number: int) -> Iterator[None]:
    """Keep so many processes busy within a block."""
    workers = [multiprocessing.Process(target=busy, daemon=True) for _ in range(number)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()


def _done(arguments: tuple[str, ...], workspace: Path) -> Cost:
    cost = cost_of(arguments, workspace)
    if cost.code:
        raise SystemExit(f"avhcurate {' '.join(arguments)} ended with exit code {cost.code}: {cost.said}")
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, help="workspace that `benchmarks.million --make` wrote")
    parser.add_argument("--only", help="verbs to run, such as quality,predict [default: all]")
    parser.add_argument("--photos", help="a labelled source: score, predict, suspects and quality of it")
    parser.add_argument("--busy", type=int, default=6, help="busy processes beside them [default: 6]")
    options = parser.parse_args()
    if options.photos:
        import_photos(options.workspace, os.path.abspath(options.photos))
        print(f"load {os.getloadavg()[0]:.0f}", file=sys.stderr)
        header = ["", "processor, s", f"beside {options.busy}", "ratio", "clock, s", f"beside {options.busy}", "ratio"]
        print(table(header, beside(options.workspace, options.busy)))
        return
    chosen = options.only.split(",") if options.only else list(VERBS)
    if unknown := set(chosen) - set(VERBS):
        parser.error(f"--only {', '.join(unknown)} is not known. Choose from {', '.join(VERBS)}.")
    rows = []
    for name in chosen:
        cost = cost_of(VERBS[name], options.workspace)
        print(f"# {name}\n{cost.said}", file=sys.stderr, flush=True)
        failed = f", exit code {cost.code}" if cost.code else ""
        rows.append([name + failed, f"{cost.clock:.0f}", f"{cost.processor:.0f}", f"{cost.peak:.2f}"])
    print(table(["", "clock, s", "processor, s", "peak, GB"], rows))


if __name__ == "__main__":
    main()
