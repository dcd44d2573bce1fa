"""Removes a dataset with all that was computed and decided about it, or one of its results."""

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.people import Role, require
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Jobs
from avhcurate.errors import CurateError
from avhcurate.table.logs import open_response_log, open_saved
from avhcurate.table.renaming import cached_images, finish_renaming
from avhcurate.votes.named_rows import count_rows, delete_rows

#: Results of a dataset that can be removed alone.
Kind = Literal["run", "training", "self-training"]


@dataclass(frozen=True)
class PeopleWork:
    """What people have put into a dataset: votes that were attached from a file or column, answers given in the app by
    so many annotators, entries of the history (tags, relabels, exclusions), saved sets and views.
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
    """What would go with a dataset."""
    finish_renaming(workspace)
    try:
        votes = workspace.dataset(name).record.votes
    except CurateError:
        if name not in workspace.names():
            raise
        votes = None  # a damaged dataset can be removed
    saved = open_saved(workspace)
    rows = count_rows(open_response_log(workspace), name)
    return PeopleWork(
        attached_votes=votes.total if votes and not votes.simulated else 0,
        answers=rows.answers,
        annotators=rows.annotators,
        decisions=rows.decisions,
        sets=len(saved.standing(name, "set")),
        views=len(saved.standing(name, "view")),
    )


def remove_dataset(workspace: Workspace, name: str) -> None:
    """Removes a dataset, its runs and trainings, and what people wrote about it; files that it was imported from stay.

    Refused while a job runs. Cut short, it is removed by the same call again. Other datasets keep trainings and
    self-trainings that began from it.
    """
    require(Role.OWNER, "removing datasets")
    with Jobs(workspace.root).idle(), workspace.lock(name):
        folder = workspace.dataset(name)
        given = _given_source(workspace, folder)
        delete_rows(open_response_log(workspace), name)
        _discard(workspace, folder.root, name)
        shutil.rmtree(workspace.exports / name, ignore_errors=True)
        for path in [*cached_images(workspace, name), *([given] if given else [])]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def remove_result(workspace: Workspace, name: str, kind: Kind, which: str) -> Path:
    """Removes a run with its maps and suspects, a training or a self-training; returns its folder.

    Nothing that people wrote goes. Refused while a job runs.
    """
    require(Role.OWNER, "removing runs and trainings")
    with Jobs(workspace.root).idle(), workspace.lock(name):
        folder = find_result(workspace.dataset(name), kind, which)
        _discard(workspace, folder, name)
    return folder


def _exact_run(dataset: DatasetFolder, run: str) -> Path:
    """The run of that name, or the only one of that model."""
    runs = dataset.runs()
    found = [one for one in runs if one.name == run] or [one for one in runs if one.record.model == run]
    if len(found) != 1:
        some = f"{len(found)} runs of {run!r}" if found else f"no run {run!r}"
        raise CurateError(
            f"dataset {dataset.name!r} has {some}; its runs are {', '.join(r.name for r in runs) or 'none'}"
        )
    return found[0].root


def find_result(dataset: DatasetFolder, kind: Kind, which: str) -> Path:
    """The folder of a training, a self-training or a run, which may be named by its model where that has one alone."""
    match kind:
        case "run":
            return _exact_run(dataset, which)
        case "training":
            return dataset.training(which).root
        case "self-training":
            return dataset.self_training(which).root


def _discard(workspace: Workspace, folder: Path, name: str) -> None:
    """Takes a folder away in one step, then deletes it; what a crash leaves goes with the next import of the name."""
    gone = workspace.datasets / f".{name}.{uuid.uuid4().hex[:8]}.staged"
    os.rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _given_source(workspace: Workspace, folder: DatasetFolder) -> Path | None:
    """The copy of images that were given in memory, where this dataset alone is made from it."""
    try:
        source = Path(folder.record.source)
    except CurateError:
        return None
    given = workspace.downloads / "given"
    if given.absolute() not in source.absolute().parents:
        return None
    others = (workspace.dataset(name).record.source for name in workspace.names() if name != folder.name)
    copy = given.absolute() / source.absolute().relative_to(given.absolute()).parts[0]
    return None if any(str(copy) in str(Path(other).absolute()) for other in others) else copy
