"""Renames a dataset with all that is kept under its name; what a crash cuts short is finished later."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.people import Role, require
from avhcurate.data.workspace import Workspace, check_name
from avhcurate.disk.files import remove_leftovers, write_atomic, write_json
from avhcurate.disk.jobs import Jobs
from avhcurate.disk.schema import StoredRecord
from avhcurate.errors import CurateError
from avhcurate.table.logs import open_response_log
from avhcurate.votes.named_rows import has_rows, rename_rows

#: Fields by which records of results name a dataset.
_FIELDS = {"training.json": ("dataset", "held_out", "recorded"), "self-training.json": ("source", "target")}


class Renaming(StoredRecord):
    """A renaming under way, in `datasets/.renaming.json` from before its first step to after its last."""

    old: str
    new: str


def rename_dataset(workspace: Workspace, old: str, new: str) -> DatasetFolder:
    """Gives a dataset another name, under which its votes, decisions, sets, runs, trainings and jobs stay.

    The name must be free, also in the database. Refused while a job runs. A process that is killed on the way leaves a
    note, by which the next one that opens a dataset finishes.
    """
    require(Role.OWNER, "renaming datasets")
    check_name(new)
    with _alone(workspace, old, new):
        _finish(workspace)
        remove_leftovers(workspace.datasets)
        workspace.dataset(old)
        if new in workspace.names() or (workspace.datasets / new).exists():
            raise CurateError(f"there is a dataset {new!r} already: choose another name")
        workspace.check_new(new)
        if (workspace.exports / new).exists():
            raise CurateError(
                f"there are exports of an earlier {new!r} ({workspace.exports / new}): move them away first"
            )
        if has_rows(open_response_log(workspace), new):
            raise CurateError(
                f"the database holds votes or decisions about an earlier dataset {new!r}: choose another name"
            )
        write_json(_note(workspace), Renaming(old=old, new=new))
        _finish(workspace)
    return workspace.dataset(new)


def finish_renaming(workspace: Workspace) -> None:
    """Finishes a renaming that was cut short, if there is one; left for later while a job runs, or the disk is full."""
    if (unfinished := _unfinished(workspace)) is None:
        return
    try:
        with _alone(workspace, unfinished.old, unfinished.new):
            _finish(workspace)
    except (CurateError, OSError):  # as a job has its hands on the dataset: nothing is wrong but the name
        return


@contextmanager
def _alone(workspace: Workspace, *names: str) -> Iterator[None]:
    """No job runs, and nobody else changes these datasets."""
    first, second = sorted(names)
    with Jobs(workspace.root).idle(), workspace.lock(first):
        if first == second:
            raise CurateError(f"the dataset is called {first!r} already: choose another name")
        with workspace.lock(second):
            yield


def _note(workspace: Workspace) -> Path:
    return workspace.datasets / ".renaming.json"


def _unfinished(workspace: Workspace) -> Renaming | None:
    try:
        return Renaming.model_validate_json(_note(workspace).read_bytes())
    except FileNotFoundError:
        return None


def _finish(workspace: Workspace) -> None:
    """All steps of the renaming that is noted. Until the folder moves, each can be done twice and changes nothing more.

    While the old folder stands, no other dataset can take the old name.
    """
    if (renaming := _unfinished(workspace)) is None:
        return
    old, new = renaming.old, renaming.new
    source, target = workspace.datasets / old, workspace.datasets / new
    if not target.exists():
        _rename_in_records(workspace, old, new)
        _rename_in_jobs(workspace, old, new)
        _rename_in_cache(workspace, old, new)
        rename_rows(open_response_log(workspace), old, new)
        os.rename(source, target)
    if not source.exists():  # else a dataset that was imported since has the old name, and its own rows
        rename_rows(open_response_log(workspace), old, new)  # which somebody wrote before the folder moved
    folder = DatasetFolder(target)
    folder.write_record(folder.record.model_copy(update={"name": new}))
    _note(workspace).unlink()


def _rename_in_records(workspace: Workspace, old: str, new: str) -> None:
    """Trainings and self-trainings name the datasets that they learnt from, also those of other datasets."""
    for file, names in _FIELDS.items():
        for path in workspace.datasets.glob(f"*/*/*/{file}"):
            try:
                record = json.loads(path.read_bytes())
            except ValueError:  # damaged, which its page says
                continue
            changes = {name: new for name in names if record.get(name) == old}
            if changes:
                write_atomic(path, json.dumps(record | changes, indent=2) + "\n")


def _rename_in_jobs(workspace: Workspace, old: str, new: str) -> None:
    """Jobs resume by their arguments, in which the name is an argument or the value of an option."""
    jobs = Jobs(workspace.root)
    for job in jobs.all():
        argv = _renamed_arguments(job.argv, old, new, about=job.dataset == old)
        if argv != job.argv or job.dataset == old:
            jobs.write(job.model_copy(update={"argv": argv, "dataset": new if job.dataset == old else job.dataset}))


def _renamed_arguments(argv: list[str], old: str, new: str, *, about: bool = True) -> list[str]:
    """`about`: the job is about that dataset, whose name may stand behind options.

    >>> _renamed_arguments(["train", "a", "--held-out", "a", "--weights=a"], "a", "b")
    ['train', 'b', '--held-out', 'b', '--weights=a']
    >>> _renamed_arguments(["score", "--weights", "a", "--limit", "9", "a"], "a", "b")
    ['score', '--weights', 'a', '--limit', '9', 'b']
    >>> _renamed_arguments(["self-train", "--source=a", "--target=c", "--model", "a"], "a", "b")
    ['self-train', '--source=b', '--target=c', '--model', 'a']
    """
    options = ("--held-out", "--source", "--target")
    whole = {f"{option}={old}": f"{option}={new}" for option in options}
    names = {place for place, text in enumerate(argv) if text == old and (place == 1 or argv[place - 1] in options)}
    if about and 1 not in names and argv[0] != "self-train":  # which names its datasets by options alone
        names |= set(_behind_options(argv, old, options))
    return [new if place in names else whole.get(text, text) for place, text in enumerate(argv)]


def _behind_options(argv: list[str], name: str, options: tuple[str, ...]) -> list[int]:
    """The place of the argument `name` that is no value of an option; none where there is no such argument."""
    places = [place for place, text in enumerate(argv) if place and text == name and argv[place - 1] not in options]
    # Before it stands the value of an option or, where no place has one, an option without a value.
    behind_value = [place for place in places if not argv[place - 1].startswith("-") or "=" in argv[place - 1]]
    return (behind_value or places)[:1]


def cached_images(workspace: Workspace, name: str) -> list[Path]:
    """The files of the cache that hold a dataset's images, and not those of one whose name begins like its own."""
    own = re.compile(rf"{re.escape(name)}-\d+-[0-9a-f]{{12}}\.\w+")
    return [path for path in (workspace.root / "cache").glob("*") if own.fullmatch(path.name)]


def _rename_in_cache(workspace: Workspace, old: str, new: str) -> None:
    if (workspace.exports / old).exists():
        (workspace.exports / old).rename(workspace.exports / new)
    for path in cached_images(workspace, old):
        path.rename(path.with_name(new + path.name[len(old) :]))
