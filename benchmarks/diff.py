"""Time `diff` between two moments of a million images: `python -m benchmarks.diff [--samples 1000000]`.

Between them a hundredth of the images was relabelled, as many tagged and as many excluded. Prints the seconds.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.saved import diff_service
from avhcurate.workspace.data.dataset_records import DatasetRecord
from avhcurate.workspace.data.workspace import Workspace

CLASSES = [str(number) for number in range(10)]


def make(workspace: Workspace, name: str, paths: np.ndarray, labels: np.ndarray) -> None:
    """Write a dataset without images, which nothing here looks at."""
    size = len(paths)
    columns = {
        "id": pa.array(range(size), pa.int64()),
        "path": pa.array(paths, pa.string()),
        "split": pa.array(["train"] * size, pa.string()),
        "label": pa.array(labels, pa.int32()),
        "_file": pa.array(paths, pa.string()),
        "_row": pa.array([None] * size, pa.int64()),
    }
    record = DatasetRecord(
        name=name,
        source="made",
        kind="folder",
        classes=CLASSES,
        classes_declared=True,
        samples=size,
        fingerprint=name,
    )
    with workspace.lock(name):
        folder = workspace.create(name)
        folder.write(record, pa.table(columns))
        workspace.adopt(name, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    size = parser.parse_args().samples
    few = size // 100
    paths = np.char.add(np.char.zfill(np.arange(size).astype(str), 8), ".png").astype(object)
    labels = np.random.default_rng(0).integers(10, size=size)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        make(workspace, "old", paths, labels)
        opened = open_dataset(workspace, "old")
        annotate(opened.decisions, range(few), "relabel", 3)
        annotate(opened.decisions, range(few, 2 * few), "tag", "odd")
        annotate(opened.decisions, range(2 * few, 3 * few), "exclude")
        started = time.perf_counter()
        changed = diff_service.diff(opened)
        seconds = time.perf_counter() - started
    assert changed.counts == {"relabelled": int((labels[:few] != 3).sum()), "tagged": few, "excluded": few}
    print(f"{size:,} images, {len(changed.changes):,} changes: {seconds:.1f} s")


if __name__ == "__main__":
    main()
