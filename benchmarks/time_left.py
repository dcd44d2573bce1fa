"""How true the time left is that a call reports: `python -m benchmarks.time_left demo --full --workspace NEW`."""

import subprocess
import sys
import time
from pathlib import Path

from avhcurate.workspace.disk.jobs import Jobs
from benchmarks.markdown import table

#: Parts of the whole time at which what was said is compared with what came.
PARTS = (0.1, 0.25, 0.5, 0.75, 0.9)
_PAUSE = 0.1


def main(words: list[str]) -> None:
    """Run the call, and print for each part of its time the seconds left as it said them, and as they were."""
    jobs = Jobs(Path(words[words.index("--workspace") + 1]))
    began = time.time()
    process = subprocess.Popen([sys.executable, "-m", "avhcurate", *words])
    told = []
    while process.poll() is None:
        job = jobs.newest()
        if job is not None and job.active and job.started >= began:
            told.append((time.time(), job))
        time.sleep(_PAUSE)
    ended = time.time()
    rows = []
    for part in PARTS:
        now, job = min(told, key=lambda one: abs(one[0] - began - part * (ended - began)))
        said = "nothing"
        if job.eta_s is not None:
            said = f"{job.eta_s - (now - job.updated):.1f}"
        rows.append([f"{100 * part:.0f} %", said, f"{ended - now:.1f}", job.message])
    print(f"{ended - began:.1f} s in all")
    print(table(["of the time", "seconds left, as said", "as they were", "while"], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
