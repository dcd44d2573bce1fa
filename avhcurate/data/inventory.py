"""What a workspace holds: its datasets with their runs and trainings of both kinds, their accuracy and disk size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.data.trainings import TrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError

#: Folders of results by what they are called.
KINDS: dict[str, type[RunFolder] | type[TrainingFolder] | type[SelfTrainingFolder]] = {
    "run": RunFolder,
    "training": TrainingFolder,
    "self-training": SelfTrainingFolder,
}


@dataclass(frozen=True)
class ResultSummary:
    """A run, training or self-training: `n` samples with a label that it was evaluated on, and the share it gets right.

    `kind` is a key of `KINDS`; `size` is in bytes on the disk; `problem` says why a record cannot be read.
    """

    kind: str
    name: str
    model: str
    complete: bool
    n: int
    accuracy: float | None
    size: int
    problem: str = ""


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset: `samples`, `labelled` of them, `votes` attached (not those given in the app); `size` in bytes."""

    name: str
    source: str
    samples: int
    labelled: int
    classes: int
    votes: int
    simulated: bool
    size: int
    results: tuple[ResultSummary, ...]
    problem: str = ""


def inventory(workspace: Workspace) -> list[DatasetSummary]:
    """Every dataset, by name; one that cannot be read is listed with what is wrong."""
    return [_summary(workspace.dataset(name)) for name in workspace.names()]


def _summary(dataset: DatasetFolder) -> DatasetSummary:
    size = disk_size(dataset.root)
    try:
        record, labels = dataset.record, dataset.labels()
        results = tuple(_results(dataset, labels))
    except (CurateError, OSError) as problem:
        return DatasetSummary(dataset.name, "", 0, 0, 0, 0, False, size, (), str(problem))
    votes = record.votes
    return DatasetSummary(
        name=dataset.name,
        source=record.source,
        samples=record.samples,
        labelled=int((labels >= 0).sum()),
        classes=len(record.classes),
        votes=votes.total if votes else 0,
        simulated=bool(votes and votes.simulated),
        size=size,
        results=results,
    )


def _results(dataset: DatasetFolder, labels: np.ndarray) -> Iterator[ResultSummary]:
    for kind, folders in KINDS.items():
        for path in sorted((dataset.root / folders.HOME).glob(f"*/{folders.FILE}")):
            folder = folders(path.parent)
            size = disk_size(folder.root)
            try:
                n, accuracy = _accuracy(folder, labels)
                yield ResultSummary(kind, folder.name, folder.record.model, folder.complete, n, accuracy, size)
            except (CurateError, OSError, ValueError) as problem:
                yield ResultSummary(kind, folder.name, "", False, 0, None, size, str(problem))


def _accuracy(folder: RunFolder | TrainingFolder | SelfTrainingFolder, labels: np.ndarray) -> tuple[int, float | None]:
    if isinstance(folder, RunFolder):
        return _run_accuracy(folder, labels)
    return _last_accuracy(folder) if isinstance(folder, TrainingFolder) else _round_accuracy(folder)


def _run_accuracy(run: RunFolder, labels: np.ndarray) -> tuple[int, float | None]:
    """Scored samples with a label, and the share whose label is predicted."""
    if not run.complete:
        return 0, None
    rows = pq.read_table(run.scores_path, columns=["id", "predicted"])
    given = labels[rows["id"].to_numpy()]
    predicted = rows["predicted"].fill_null(-1).to_numpy()
    both = (given >= 0) & (predicted >= 0)
    return int(both.sum()), float((given == predicted)[both].mean()) if both.any() else None


def _last_accuracy(training: TrainingFolder) -> tuple[int, float | None]:
    """Held-out samples with a label, and the accuracy of the last evaluation."""
    evaluations = training.evaluations()
    if evaluations.empty:
        return 0, None
    last = evaluations.iloc[-1]
    return int(last["n"]), None if np.isnan(last["accuracy"]) else float(last["accuracy"])


def _round_accuracy(training: SelfTrainingFolder) -> tuple[int, float | None]:
    """Samples of the target with a label, and the accuracy of the last round."""
    if not (rounds := training.rounds()):
        return 0, None
    share = training.report(rounds[-1]).accuracy
    return share.n, share.value


def disk_size(folder: Path) -> int:
    """Bytes on the disk of all files below; the holes of a file that is still being filled take none."""
    size = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            size += min(status.st_size, getattr(status, "st_blocks", status.st_size // 512 + 1) * 512)
    return size
