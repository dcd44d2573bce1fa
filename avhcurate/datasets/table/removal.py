"""Removes a dataset with all that was computed and decided about it, or one of its results; renames a dataset."""

import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avhcurate.datasets.table.logs import open_events, open_response_log
from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.events import ACTIONS
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import remove
from avhcurate.workspace.disk.jobs import Jobs

#: Results of a dataset that can be removed by themselves.
Kind = Literal["run", "training", "self-training"]


@dataclass(frozen=True)
class PeopleWork:
    """What people have put into a dataset: attached votes, answers given in the app by so many annotators, decisions
    (tags, relabels, exclusions), saved sets and views.
    """

    attached_votes: int
    answers: int
    annotators: int
    decisions: int
    sets: int
    views: int

    def __str__(self) -> str:
        """
        >>> str(PeopleWork(0, 120, 3, 2, 1, 0))
        '120 answers of 3 annotators, 2 tags, relabels and exclusions, 1 saved sets'
        """
        parts = {
            "attached votes": self.attached_votes,
            f"answers of {self.annotators} annotators": self.answers,
            "tags, relabels and exclusions": self.decisions,
            "saved sets": self.sets,
            "saved views": self.views,
        }
        return ", ".join(f"{count:,} {what}" for what, count in parts.items() if count) or "nothing that people wrote"


def people_work(workspace: Workspace, name: str) -> PeopleWork:
    """Return what would be removed with a dataset."""
    dataset, log = _by_present_name(workspace, name), open_events(workspace)
    attached = 0
    try:
        votes = dataset.record.votes
        if votes and not votes.simulated:
            attached = votes.total
    except CurateError:
        pass  # a damaged dataset can be removed
    answers, annotators = open_response_log(workspace).counts(dataset.id)
    return PeopleWork(
        attached_votes=attached,
        answers=answers,
        annotators=annotators,
        decisions=log.history(dataset.id, actions=ACTIONS, limit=0)[1],
        sets=len(log.saved(dataset.id, "set")),
        views=len(log.saved(dataset.id, "view")),
    )


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
        given = _given_source(workspace, dataset)
        open_events(workspace).delete(dataset.id)
        open_response_log(workspace).delete(dataset.id)
        _discard(workspace, dataset.root, dataset.id)
        cached = re.compile(rf"{re.escape(dataset.id)}-\d+-[0-9a-f]{{12}}\.\w+")
        images = [path for path in (workspace.root / "cache").glob("*") if cached.fullmatch(path.name)]
        for path in (*images, *given):
            remove(path)


def remove_result(workspace: Workspace, name: str, kind: Kind, which: str) -> Path:
    """Remove a run with its maps and suspects, a training or a self-training; return its folder.

    Nothing that people wrote is removed. Refused while a job runs.
    """
    require(Role.OWNER, "removing runs and trainings")
    with Jobs(workspace.root).idle(), workspace.lock(name):
        dataset = _by_present_name(workspace, name)
        folder = find_result(dataset, kind, which)
        _discard(workspace, folder, dataset.id)
    return folder


def find_result(dataset: DatasetFolder, kind: Kind, which: str) -> Path:
    """Return the folder of a training, a self-training or a run; a run also by its model where that has only one."""
    match kind:
        case "run":
            return _exact_run(dataset, which)
        case "training":
            return dataset.training(which).root
        case "self-training":
            return dataset.self_training(which).root


def _by_present_name(workspace: Workspace, name: str) -> DatasetFolder:
    """Return a dataset; what removes it asks for its present name."""
    dataset = workspace.dataset(name)
    if dataset.name != name:
        raise CurateError(f"The dataset {name!r} is now called {dataset.name!r}. Use that name.")
    return dataset


def _exact_run(dataset: DatasetFolder, run: str) -> Path:
    runs = dataset.runs()
    found = [one for one in runs if one.name == run] or [one for one in runs if one.record.model == run]
    if len(found) != 1:
        known = ", ".join(one.name for one in runs) or "none"
        raise CurateError(
            f"Dataset {dataset.name!r} has {len(found)} runs of {run!r}. Choose one of its runs: {known}."
        )
    return found[0].root


def _discard(workspace: Workspace, folder: Path, id: str) -> None:
    """Take a folder away in one step, then delete it; what a crash leaves is deleted with the next import."""
    gone = workspace.datasets / f".{id}.{uuid.uuid4().hex[:8]}.staged"
    os.rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _given_source(workspace: Workspace, dataset: DatasetFolder) -> list[Path]:
    """Return the copy of images that were given in memory, where only this dataset uses it."""
    given = (workspace.downloads / "given").absolute()
    try:
        source = Path(dataset.record.source).absolute()
        others = [workspace.dataset(name).record.source for name in workspace.names() if name != dataset.name]
    except CurateError:
        return []
    if given not in source.parents:
        return []
    copy = given / source.relative_to(given).parts[0]
    used = any(Path(other).absolute().is_relative_to(copy) for other in others)
    return [] if used else [copy]
