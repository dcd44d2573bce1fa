"""Time `diff` between two states of a million images: `python -m benchmarks.diff [--samples 1000000]`.

Two imports without pictures differ in a hundredth of their images, with contents as `quality` would have measured
them; then two moments of one, between which as many were relabelled, tagged and excluded. Prints a table of seconds.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.saved import diff_service
from avhcurate.workspace.data.datasets import DatasetRecord
from avhcurate.workspace.data.workspace import Workspace
from benchmarks.markdown import table

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


def measured(state: diff_service.State, contents: np.ndarray) -> diff_service.State:
    return replace(state, rows=state.rows.assign(content=contents))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    size = parser.parse_args().samples
    few, rng, rows = size // 100, np.random.default_rng(0), []
    numbers = np.arange(size)
    paths = np.char.add(np.char.zfill(numbers.astype(str), 8), ".png").astype(object)
    contents = np.array([f"{number:064x}" for number in numbers], object)
    labels = rng.integers(10, size=size)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        make(workspace, "old", paths, labels)
        later, given = paths.copy(), labels.copy()
        later[:few] = [f"renamed-{number}.png" for number in range(few)]
        given[few : 2 * few] = (given[few : 2 * few] + 1) % 10
        make(workspace, "new", later[:-few], given[:-few])

        started = time.perf_counter()
        before, after = diff_service.states(workspace, "old", "new")
        read = time.perf_counter()
        found = diff_service.diff(measured(before, contents), measured(after, contents[:-few]))
        done = time.perf_counter()
        assert found.counts == {"gone": few, "renamed": few, "relabelled": few}, found.counts
        rows.append(("two imports", read - started, done - read, done - started, sum(found.counts.values())))

        opened = open_table(workspace, "old")
        annotate(opened, range(few), "relabel", 3)
        annotate(opened, range(few, 2 * few), "tag", "odd")
        annotate(opened, range(2 * few, 3 * few), "exclude")
        started = time.perf_counter()
        before, after = diff_service.states(workspace, "old@0", "old")
        read = time.perf_counter()
        found = diff_service.diff(before, after)
        done = time.perf_counter()
        assert found.counts == {"relabelled": int((labels[:few] != 3).sum()), "tagged": few, "excluded": few}
        rows.append(("two moments", read - started, done - read, done - started, sum(found.counts.values())))
    cells = [[name, *(f"{seconds:.1f}" for seconds in times), f"{count:,}"] for name, *times, count in rows]
    print(f"{size:,} images a state\n")
    print(table(["states", "reading, s", "comparing, s", "in all, s", "changes"], cells))


if __name__ == "__main__":
    main()
