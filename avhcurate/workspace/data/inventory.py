"""What a workspace holds: its datasets with their runs and trainings of both kinds, their accuracy and disk size."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.room import disk_trouble
from avhcurate.workspace.disk.tabular import whole_numbers

_KINDS: dict[str, Any] = {"run": RunFolder, "training": TrainingFolder, "self-training": SelfTrainingFolder}


def inventory(workspace: Workspace) -> list[dict[str, Any]]:
    """Return every dataset, by name, with its size in bytes on the disk; `problem` says why one cannot be read.

    `votes` are those attached, not those given in the app. Of a run, training or self-training in `results`, `n` are
    the labelled samples that it was evaluated on, and `accuracy` is the share that it gets right.
    """
    return [_dataset(workspace.dataset(name)) for name in workspace.names()]


def _dataset(dataset: DatasetFolder) -> dict[str, Any]:
    facts = {"name": dataset.name, "size": disk_size(dataset.root), "problem": ""}
    try:
        record = dataset.record
        labels = dataset.labels()
        return facts | {
            "source": record.source,
            "samples": record.samples,
            "labelled": int((labels >= 0).sum()),
            "classes": len(record.classes),
            "votes": getattr(record.votes, "total", 0),
            "simulated": getattr(record.votes, "simulated", False),
            "results": list(_results(dataset, labels)),
        }
    except Exception as problem:
        return facts | {"problem": _problem(problem)}


def _results(dataset: DatasetFolder, labels: np.ndarray) -> Iterator[dict[str, Any]]:
    default = None
    with suppress(CurateError):  # of a damaged run, which is reported below
        default = dataset.default_run
    for kind, folders in _KINDS.items():
        for folder in folders.folders_of(dataset):
            facts = {"kind": kind, "name": folder.name, "size": disk_size(folder.root), "problem": ""}
            try:
                if isinstance(folder, RunFolder):
                    folder = dataset.by_today(folder)
                n, accuracy = _accuracy(folder, labels)
                facts["default"] = default is not None and folder.root == default.root
                yield facts | {"model": folder.record.model, "complete": folder.complete, "n": n, "accuracy": accuracy}
            except Exception as problem:
                yield facts | {"problem": _problem(problem), "accuracy": None}


def _problem(error: Exception) -> str:
    """Return why something cannot be read; raise what is not damage of its files."""
    if isinstance(error, CurateError | OSError | ValueError):
        return str(error)
    if line := disk_trouble(error):
        return line
    raise error


def _accuracy(folder: RunFolder | TrainingFolder | SelfTrainingFolder, labels: np.ndarray) -> tuple[int, float | None]:
    """Return the labelled samples of the last evaluation, and the share that it gets right."""
    evaluated: list[Any] = []
    if isinstance(folder, SelfTrainingFolder):
        shares = [folder.report(number).accuracy for number in folder.rounds()[-1:]]
        evaluated = [(share.n, share.value) for share in shares]
    elif isinstance(folder, TrainingFolder):
        evaluated = folder.evaluations()[["n", "accuracy"]].tail(1).to_numpy().tolist()
    elif folder.complete:
        ids, predicted = whole_numbers(folder.scores_today, "id", "predicted")
        given = labels[ids]
        hits = (given == predicted)[(given >= 0) & (predicted >= 0)]
        evaluated = [(len(hits), hits.sum() / max(len(hits), 1))]
    for n, accuracy in evaluated:
        if n:
            return int(n), float(accuracy)
    return 0, None


def disk_size(folder: Path) -> int:
    """Return the bytes on the disk of all files below; the holes of a file that is still being filled take none."""
    files = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    return sum(min(file.st_size, file.st_blocks * 512) for file in files)
