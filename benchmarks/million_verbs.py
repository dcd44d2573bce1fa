"""Measure commands on the workspace of `benchmarks.million`: `python -m benchmarks.million_verbs FOLDER`.

    python -m benchmarks.million --make FOLDER --pictures 990000
    python -m benchmarks.million_verbs FOLDER

Each verb runs in a process of its own, one after another: its clock, its processor time with all threads, its peak of
memory; what it said goes to the error output. With fewer pictures than samples, the last samples are copies of the
first, byte for byte, which `quality` has to find. What a verb has kept of an earlier call is there already: begin with
a fresh folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, help="workspace that `benchmarks.million --make` wrote")
    parser.add_argument("--only", help="verbs to run, such as quality,predict [default: all]")
    options = parser.parse_args()
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
