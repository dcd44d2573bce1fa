"""What a Ray cluster costs beside a pass in one process, and that its driver's memory does not grow with the dataset.

    python -m benchmarks.ray_engine --data FILE --images 20000

Both engines score a dataset of `--images`, and then of ten times as many, each in a process of its own and in turn. The
cluster is one of this machine, so that both have the same cores, or the one at `--address`. The benchmark ends with an
error unless their tables are equal. Its last line says how many samples a second one driver can commit, which bounds
a cluster.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.cli.options import engine
from avhcurate.data.runs import SHARD, RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Progress
from avhcurate.disk.staging import Staging
from avhcurate.images.thumbnails import ThumbnailStore
from avhcurate.models.loading import ModelSpec
from avhcurate.scoring.ray_engine import _result, _staged
from avhcurate.scoring.service import score_dataset
from avhcurate.scoring.shards import ShardResult
from avhcurate.sources.service import import_dataset
from benchmarks.markdown import table
from benchmarks.scoring import repeated

NAME = "benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what `avhcurate import` takes")
    parser.add_argument("--model", default="avhcurate:digits", help="as for `avhcurate score`")
    parser.add_argument("--weights", help="a file, or 'random'")
    parser.add_argument("--images", type=int, default=20_000, help="images of the smaller dataset")
    parser.add_argument("--times", type=int, default=10, help="how many times as many the larger one has")
    parser.add_argument("--address", help="as for `avhcurate score --engine ray`")
    parser.add_argument("--staging", help="likewise")
    parser.add_argument("--only", choices=["local", "ray"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for images in (options.images, options.times * options.images):
            data = repeated(options.data, images, Path(folder) / str(images))
            found = {where: _in_process(options, data, Path(folder), where) for where in ("local", "ray")}
            tables = [pd.read_parquet(run["scores"]) for run in found.values()]
            pd.testing.assert_frame_equal(*tables, check_exact=True)
            rows += [_row(where, images, run) for where, run in found.items()]
        print(table(["engine", "images", "until the first shard", "then images/s", "in all", "driver's peak"], rows))
        print(f"\na driver commits {commit_rate(Path(folder) / 'commits'):.0f} samples/s of 18 KB")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One engine's run over `--data`, beside which its workspace is made."""
    workspace = Workspace(options.data.parent / options.only)
    import_dataset(workspace, NAME, options.data)
    before, started = _peak_mb(), time.perf_counter()
    reports: list[tuple[float, int]] = []
    progress = Progress(lambda done, *_: reports.append((time.perf_counter() - started, done)))
    cluster = (options.address, options.staging) if options.only == "ray" else (None, None)
    with engine(options.only, *cluster) as where:
        spec = ModelSpec(name=options.model, weights=options.weights)
        run = score_dataset(workspace, NAME, spec, engine=where, progress=progress)
    first, some = next(report for report in reports if report[1])
    last, every = next(report for report in reports if report[1] == reports[-1][1])
    return {
        "first": first,
        "rate": (every - some) / (last - first),
        "all": time.perf_counter() - started,
        "before": before,
        "peak": _peak_mb(),
        "scores": str(run.scores_path),
    }


def commit_rate(folder: Path, shards: int = 12, width: int = 2048, thumbnail_bytes: int = 10_000) -> float:
    """Samples a second from staged shards to the files of a run: features, thumbnails and scores of photos."""
    run, thumbnails, staging = (
        RunFolder(folder),
        ThumbnailStore(folder / "thumbnails"),
        Staging(str(folder / "staging")),
    )
    run.reserve("features.npy", (shards * SHARD, width))
    rng = np.random.default_rng(0)
    features, data = rng.random((SHARD, width), np.float32), rng.bytes(thumbnail_bytes)
    for shard in range(shards):
        ids = np.arange(SHARD) + shard * SHARD
        columns = {"id": ids} | {f"score{number}": rng.random(SHARD) for number in range(13)}
        staging.write(
            str(shard), _staged(ShardResult(shard, pa.table(columns), 1.0, features, dict.fromkeys(ids, data)))
        )
    started = time.perf_counter()
    for shard in range(shards):
        result = _result(staging.read(str(shard)))
        assert result.features is not None
        assert result.thumbnails is not None
        thumbnails.write_shard(shard, result.thumbnails)
        run.write_features(result.rows["id"].to_numpy(), result.features)
        run.write_shard(shard, result.rows, seconds=result.seconds)
        staging.remove(str(shard))
    return shards * SHARD / (time.perf_counter() - started)


def _row(where: str, images: int, run: dict[str, Any]) -> list[str]:
    peak = f"{run['peak']:.0f} MB ({run['before']:.0f} after the import)"
    return [where, f"{images:,}", f"{run['first']:.1f} s", f"{run['rate']:.0f}", f"{run['all']:.1f} s", peak]


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_process(options: argparse.Namespace, data: Path, folder: Path, where: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.ray_engine", "--data", str(data), "--model", options.model]
    given = {"--weights": options.weights, "--address": options.address, "--staging": options.staging}
    command += [word for option, value in given.items() if value for word in (option, value)]
    done = subprocess.run([*command, "--only", where], check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
