"""What the neighbour graph of a run costs, and what it finds: `python -m benchmarks.neighbours --out FOLDER`.

    python -m benchmarks.neighbours --out FOLDER [--samples 1000000] [--width 512] [--clusters 50]
    python -m benchmarks.neighbours --out FOLDER --features features.npy

Made-up features: clusters of 48 latent numbers through a random network with two rectifiers, whose neighbourhoods are
like those of EfficientNet-lite0 on photos (docs/scale.md), or those of a file. Each search runs in a process of its
own: its time, its peak of memory (pages of features mapped from disk included), and its recall of the 12 nearest on
2,000 samples. `--method pynndescent` is what runs without faiss.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from avhcurate.disk.files import remove_leftovers, temporary_name
from avhcurate.disk.jobs import Progress
from avhcurate.neighbours import searches
from avhcurate.neighbours.graph import OUTLIER
from avhcurate.neighbours.service import find_neighbours

#: Numbers that a made-up sample is made of, width of a cluster among centres of standard deviation 1, and the made-up
#: network: numbers between, and what is taken off before its last rectifier.
_LATENT, _SPREAD, _BETWEEN, _CUT = 48, 0.9, 256, 0.7
_BLOCK = 50_000


def make(path: Path, samples: int, width: int, clusters: int) -> None:
    """Writes features (samples, width) float32, block by block: clusters of latent numbers through a random network."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(clusters, _LATENT)).astype(np.float32)
    first = (rng.normal(size=(_LATENT, _BETWEEN)) / np.sqrt(_LATENT)).astype(np.float32)
    bias = (0.5 * rng.normal(size=_BETWEEN)).astype(np.float32)
    last = (rng.normal(size=(_BETWEEN, width)) / np.sqrt(_BETWEEN)).astype(np.float32)
    made = temporary_name(path)
    rows = np.lib.format.open_memmap(made, "w+", np.float32, (samples, width))
    for start in range(0, samples, _BLOCK):
        of = rng.integers(clusters, size=min(_BLOCK, samples - start))
        latent = centres[of] + _SPREAD * rng.normal(size=(len(of), _LATENT)).astype(np.float32)
        rows[start : start + len(of)] = np.maximum(np.maximum(latent @ first + bias, 0) @ last - _CUT, 0)
    rows.flush()
    made.rename(path)


def measure(path: Path, method: str) -> None:
    """One search of all rows, in this process, as a run's would be."""
    limits = {"exact": sys.maxsize, "faiss": 0, "pynndescent": 0}
    started, cpu = time.perf_counter(), sum(os.times()[:4])

    def say(done: int, total: int, message: str) -> None:
        print(f"{time.perf_counter() - started:6.0f} s  {done:,} of {total:,}  {message}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        of = SimpleNamespace(fingerprint="made up", dataset_fingerprint="made up")
        dataset: Any = SimpleNamespace(record=of, refuse_another_import=lambda fingerprint: None)
        run: Any = SimpleNamespace(root=Path(root), name=path.stem, record=of, complete=True, has_features=True)
        run.features = lambda: np.load(path, mmap_mode="r")
        searches.EXACT_ROWS = limits[method]
        if method == "pynndescent":
            searches.find_spec = lambda name: None
        record = find_neighbours(dataset, run, progress=Progress(say)).record
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    (rows, width), spent = run.features().shape, sum(os.times()[:4]) - cpu
    print(
        f"| {rows:,} x {width} | {method} {record.settings or ''} | {record.seconds:.0f} s, "
        f"of processors {spent:.0f} s, load {os.getloadavg()[0]:.0f} | {used / 1e6:.2f} GB | {record.recall:.4f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the made-up features.")
    parser.add_argument("--features", type=Path, help="A .npy (N, D) float32 instead of made-up ones.")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--clusters", type=int, default=50)
    parser.add_argument("--method", choices=("exact", "faiss", "pynndescent"), action="append")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    name = f"made-up-{arguments.samples}-{arguments.width}-{arguments.clusters}.npy"
    path = arguments.features or arguments.out / name
    if arguments.here:
        measure(path, arguments.method[0])
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    remove_leftovers(arguments.out)
    if not path.exists():
        make(path, arguments.samples, arguments.width, arguments.clusters)
    print(
        f"| features | search | time | peak of memory | recall of the {OUTLIER} nearest |\n|---|---|---|---|---|",
        flush=True,
    )
    for method in arguments.method or ["faiss"]:
        argv = ["--out", str(arguments.out), "--features", str(path), "--method", method, "--here"]
        subprocess.run([sys.executable, "-m", "benchmarks.neighbours", *argv], check=True)


if __name__ == "__main__":
    main()
