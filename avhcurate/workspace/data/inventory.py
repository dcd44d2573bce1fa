"""What a workspace holds: its datasets with their runs and trainings of both kinds, their accuracy and disk size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace


@dataclass(frozen=True)
class ResultSummary:
    """A run, training or self-training: `n` labelled samples that it was evaluated on, and the share it gets right.

    `size` is in bytes on the disk; `problem` says why a record cannot be read.
    """

    kind: str
    name: str
    size: int
    model: str = ""
    complete: bool = False
    n: int = 0
    accuracy: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset: `samples`, `labelled` of them, `votes` attached (not those given in the app); `size` in bytes."""

    name: str
    size: int
    source: str = ""
    samples: int = 0
    labelled: int = 0
    classes: int = 0
    votes: int = 0
    simulated: bool = False
    results: tuple[ResultSummary, ...] = ()
    problem: str = ""


def inventory(workspace: Workspace) -> list[DatasetSummary]:
    """Return every dataset, by name; one that cannot be read is listed with what is wrong."""
    return [_summary(workspace.dataset(name)) for name in workspace.names()]


def _summary(dataset: DatasetFolder) -> DatasetSummary:
    size = disk_size(dataset.root)
    try:
        record, labels = dataset.record, dataset.labels()
        results = tuple(_results(dataset, labels))
    except (CurateError, OSError) as problem:
        return DatasetSummary(name=dataset.name, size=size, problem=str(problem))
    return DatasetSummary(
        name=dataset.name,
        size=size,
        source=record.source,
        samples=record.samples,
        labelled=int((labels >= 0).sum()),
        classes=len(record.classes),
        votes=getattr(record.votes, "total", 0),
        simulated=getattr(record.votes, "simulated", False),
        results=results,
    )


def _results(dataset: DatasetFolder, labels: np.ndarray) -> Iterator[ResultSummary]:
    kinds: dict[str, Any] = {"run": RunFolder, "training": TrainingFolder, "self-training": SelfTrainingFolder}
    for kind, folders in kinds.items():
        for path in sorted((dataset.root / folders.HOME).glob(f"*/{folders.FILE}")):
            folder = folders(path.parent)
            about: dict[str, Any] = {"kind": kind, "name": folder.name, "size": disk_size(folder.root)}
            try:
                n, accuracy = _accuracy(folder, labels)
                about |= {"model": folder.record.model, "complete": folder.complete, "n": n, "accuracy": accuracy}
            except (CurateError, OSError, ValueError) as problem:
                about["problem"] = str(problem)
            yield ResultSummary(**about)


def _accuracy(folder: RunFolder | TrainingFolder | SelfTrainingFolder, labels: np.ndarray) -> tuple[int, float | None]:
    """Return the labelled samples of the last evaluation, and the share that it gets right."""
    if isinstance(folder, SelfTrainingFolder):
        if not (rounds := folder.rounds()):
            return 0, None
        share = folder.report(rounds[-1]).accuracy
        return share.n, share.value
    if isinstance(folder, TrainingFolder):
        rows = folder.evaluations()[["n", "accuracy"]]
        n, accuracy = (0, np.nan) if rows.empty else rows.iloc[-1]
        return int(n), None if np.isnan(accuracy) else float(accuracy)
    if not folder.complete:
        return 0, None
    rows = pq.read_table(folder.scores_path, columns=["id", "predicted"]).to_pandas().dropna()
    given = labels[rows["id"]]
    right = (given == rows["predicted"])[given >= 0]
    return len(right), float(right.mean()) if len(right) else None


def disk_size(folder: Path) -> int:
    """Return the bytes on the disk of all files below; the holes of a file that is still being filled take none."""
    size = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            size += min(status.st_size, getattr(status, "st_blocks", status.st_size // 512 + 1) * 512)
    return size
