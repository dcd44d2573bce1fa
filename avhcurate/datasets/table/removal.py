"""Removes a dataset with all that was computed and decided about it, or one of its results; renames a dataset."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from avhcurate.errors import CurateError
from avhcurate.people.log import open_response_log
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import ACTIONS
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import remove
from avhcurate.workspace.disk.jobs import Jobs

#: Results of a dataset that can be removed by themselves.
Kind = Literal["run", "training", "self-training"]


def people_work(workspace: Workspace, name: str) -> dict[str, int]:
    """Return how much of what people have put into a dataset would be removed with it, without what it has none of."""
    dataset = _by_present_name(workspace, name)
    log = open_events(workspace.root)
    attached = 0
    with suppress(CurateError):  # a damaged dataset can be removed
        votes = dataset.record.votes
        if votes and not votes.simulated:
            attached = votes.total
    answers, annotators = open_response_log(workspace.root).counts(dataset.id)
    work = {
        "attached votes": attached,
        f"answers of {annotators} annotators": answers,
        "tags, relabels and exclusions": log.history(dataset.id, actions=ACTIONS, limit=0)[1],
        "saved sets": len(log.saved(dataset.id, "set")),
        "saved views": len(log.saved(dataset.id, "view")),
    }
    return {title: count for title, count in work.items() if count}


def rename_dataset(workspace: Workspace, old: str, new: str) -> DatasetFolder:
    """Give a dataset another name; all that belongs to it refers to its id. Refused while a job runs."""
    require(Role.OWNER, "renaming datasets")
    with Jobs(workspace.root).idle():
        return workspace.rename(old, new)


def remove_dataset(workspace: Workspace, name: str) -> None:
    """Remove a dataset, its runs and trainings, and what people wrote about it; files that were imported stay.

    Refused while a job runs. When it is interrupted, the same call again finishes. Other datasets keep trainings and
    self-trainings that began from it.
    """
    require(Role.OWNER, "removing datasets")
    with Jobs(workspace.root).idle(), workspace.lock(name):
        dataset = _by_present_name(workspace, name)
        copies = _copy_of_source(workspace, dataset)
        open_events(workspace.root).delete(dataset.id)
        open_response_log(workspace.root).delete(dataset.id)
        cached = re.compile(rf"{re.escape(dataset.id)}-\d+-[0-9a-f]{{12}}\.\w+")
        images = [path for path in (workspace.root / "cache").glob("*") if cached.fullmatch(path.name)]
        for path in (*images, *copies):
            remove(path)
        discard(workspace, dataset.root, dataset.id)


def remove_result(workspace: Workspace, name: str, kind: Kind, which: str) -> Path:
    """Remove a run with its maps and suspects, a training or a self-training; return its folder.

    Nothing that people wrote is removed. Refused while a job runs.
    """
    require(Role.OWNER, "removing runs and trainings")
    with Jobs(workspace.root).idle(), workspace.lock(name):
        dataset = _by_present_name(workspace, name)
        folder = find_result(dataset, kind, which)
        discard(workspace, folder, dataset.id)
    return folder


def discard(workspace: Workspace, folder: Path, id: str) -> None:
    """Take a folder away in one step, then delete it; what a crash leaves is deleted when the workspace is opened."""
    aside = workspace.staged(id)
    os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def find_result(dataset: DatasetFolder, kind: Kind, which: str) -> Path:
    """Return the folder of a run, a training or a self-training, by its name."""
    folders: dict[Kind, Any] = {"run": RunFolder, "training": TrainingFolder, "self-training": SelfTrainingFolder}
    folder: Path = folders[kind].named(dataset, which).root
    return folder


def _by_present_name(workspace: Workspace, name: str) -> DatasetFolder:
    """Return a dataset; what removes it asks for its present name."""
    dataset = workspace.dataset(name)
    if dataset.name != name:
        raise CurateError(f"The dataset {name!r} is now called {dataset.name!r}. Use that name.")
    return dataset


def _copy_of_source(workspace: Workspace, dataset: DatasetFolder) -> list[Path]:
    """Return the copy of images that were given in memory, where only this dataset uses it."""
    home = (workspace.downloads / "given").absolute()
    try:
        source = Path(dataset.record.source).absolute()
        others = [workspace.dataset(name).record.source for name in workspace.names() if name != dataset.name]
    except CurateError:
        return []
    copies = [path for path in (source, *source.parents) if path.parent == home]
    return [copy for copy in copies if not any(Path(other).absolute().is_relative_to(copy) for other in others)]
