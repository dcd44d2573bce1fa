"""Says what of a workspace is damaged and how to go on, and copies a workspace while it is in use."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from avhcurate.datasets.table.logs import database_url, open_events
from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.arrays import read_npy
from avhcurate.workspace.disk.room import disk_trouble


class Damage(NamedTuple):
    """A file or folder that cannot be read, why, and how to go on."""

    file: str
    problem: str
    remedy: str


def check_workspace(workspace: Workspace) -> list[Damage]:
    """Read everything of a workspace but its images, and return what is damaged.

    What killed processes left is removed or put back, as whenever a workspace is opened.
    """
    names = workspace.names()
    found = list(_tried(workspace, workspace.annotations_path, _RESTORE, lambda: _read_database(workspace)))
    for name in names:
        found += _check_dataset(workspace, workspace.dataset(name))
    return found


_RESTORE = (
    "Stop the server, rename it and its -wal, and put the copy of `avhcurate check --backup OUT` in its place; without "
    "one start again: datasets, attached votes and runs do not need it"
)


def _read_database(workspace: Workspace) -> None:
    if database_url(workspace).startswith("sqlite") and workspace.annotations_path.exists():
        with closing(_open_to_read(workspace)) as connection:
            (said,), *_ = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if said != "ok":
            raise CurateError(said)
    open_events(workspace).history("")


def _open_to_read(workspace: Workspace) -> sqlite3.Connection:
    return sqlite3.connect(f"{workspace.annotations_path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


def _check_dataset(workspace: Workspace, dataset: DatasetFolder) -> Iterator[Damage]:
    again = f"Remove it by `avhcurate remove {dataset.name}` and import it again"
    path = dataset.root / DatasetFolder.FILE
    if problems := list(_tried(workspace, path, again, lambda: dataset.record)):
        yield from problems
        return
    record = dataset.record
    again = f"Run `avhcurate import {dataset.name} {record.source} --force`, which keeps tags, labels and votes"
    yield from _tried(workspace, dataset.samples_path, again, lambda: _read_rows(dataset.samples_path, record.samples))
    if record.votes:
        votes = dataset.votes_path(record.votes)
        attach = f"Attach the votes again by `avhcurate votes {dataset.name} FILE --force`"
        yield from _tried(workspace, votes, attach, partial(_read_rows, votes, record.votes.samples))
    for name in record.lists:
        kept = dataset.list_path(name)
        yield from _tried(workspace, kept, again, partial(_read_rows, kept))
    kinds: tuple[tuple[str, Any, Callable[[Any], object]], ...] = (
        ("run", RunFolder, _read_run),
        ("training", TrainingFolder, lambda folder: folder.evaluations()),
        ("self-training", SelfTrainingFolder, lambda folder: [folder.report(number) for number in folder.rounds()]),
    )
    for kind, folders, read in kinds:
        for root in sorted((dataset.root / folders.HOME).glob("*/")):
            again = f"Remove it by `avhcurate remove {dataset.name} --{kind} {root.name}` and make it again"
            if not (root / folders.FILE).exists():
                again = "Repeat the command that made it, or remove the folder"
            yield from _tried(workspace, root, again, partial(_read_result, folders(root), read))


def _read_result(folder: Any, read: Callable[[Any], object]) -> None:
    if folder.record is not None:
        read(folder)


def _read_run(run: RunFolder) -> None:
    if not run.complete:
        return
    _read_rows(run.scores_path, run.record.samples)
    for path in run.root.glob("*.npy"):
        read_npy(path)


def _read_rows(path: Path, rows: int | None = None) -> None:
    """Read all of a Parquet file; raise where it has another number of rows."""
    with pq.ParquetFile(path) as file:
        found = sum(len(batch) for batch in file.iter_batches(10_000))
    if rows is not None and found != rows:
        raise CurateError(f"it has {found} rows, and its record says {rows}")


def _tried(workspace: Workspace, path: Path, remedy: str, read: Callable[[], object]) -> Iterator[Damage]:
    """Yield what is wrong with a file or folder if it cannot be read."""
    try:
        read()
    except Exception as error:
        if not (isinstance(error, CurateError | OSError | ValueError | KeyError) or disk_trouble(error)):
            raise
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        yield Damage(str(path.relative_to(workspace.root)), reason, remedy)


def back_up(workspace: Workspace, out: Path) -> None:
    """Copy a workspace into a new folder, which is a workspace too; servers and jobs may go on.

    The database is copied as of one moment, a dataset while it does not change; jobs, caches and images are left out.
    """
    require(Role.OWNER, "copying the workspace")
    if out.exists():
        raise CurateError(f"{out} exists. Choose a new folder.")
    if not database_url(workspace).startswith("sqlite"):
        raise CurateError("The decisions are in PostgreSQL. Copy them by pg_dump, and the workspace's folder by cp.")
    making = files.temporary_name(out)
    try:
        for name in workspace.names():
            with workspace.lock(name):
                root = workspace.dataset(name).root
                shutil.copytree(root, making / "datasets" / root.name, ignore=shutil.ignore_patterns(".*.tmp", "lock"))
        # After the datasets: a decision about a dataset that is not copied does no harm.
        making.mkdir(parents=True, exist_ok=True)
        if workspace.annotations_path.exists():
            target = making / workspace.annotations_path.name
            with closing(_open_to_read(workspace)) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        making.rename(out)
    finally:
        files.remove(making)
