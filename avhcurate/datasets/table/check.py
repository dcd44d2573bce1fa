"""Says what of a workspace is damaged and how to go on, repairs it, and copies a workspace while it is in use."""

import os
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import sqlalchemy as sa

from avhcurate.datasets.table.salvage import PATIENCE_S, salvage, unfinished
from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.logs import database_url, loss, open_events, refuse_loss
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.arrays import read_npy
from avhcurate.workspace.disk.folders import LOCK_FILE, ResultFolder
from avhcurate.workspace.disk.jobs import Jobs
from avhcurate.workspace.disk.provenance import UnknownVersion, now
from avhcurate.workspace.disk.room import disk_trouble, no_room

_NO_ROOM = "its disk is full"


class Damage(NamedTuple):
    """A file or folder that cannot be read, why, and how to go on.

    movable: whether `--repair` sets it aside, which loses nothing else. done: what that did.
    """

    file: str
    problem: str
    remedy: str
    movable: bool = False
    done: str = ""

    @property
    def line(self) -> str:
        """All of it in one line."""
        words = [self.problem]
        if self.done:
            words.append(self.done)
        elif self.movable:
            words.append("Stop the server and run `avhcurate check --repair`")
        return f"{self.file}: {'. '.join(filter(None, [*words, self.remedy]))}."


def check_workspace(workspace: Workspace, *, repair: bool = False) -> list[Damage]:
    """Read everything of a workspace but its images, and return what is damaged.

    What killed processes left is removed or put back, as whenever a workspace is opened. `repair` sets aside what can
    be made again, and keeps what can be read of a damaged database; no server or job may use the workspace then.
    """
    damages = list(_check_database(workspace))
    for name in workspace.names():
        damages += _check_dataset(workspace, workspace.dataset(name))
    for folder in sorted(workspace.datasets.glob("[!.]*/")):
        if not (folder / DatasetFolder.FILE).exists():
            file = str(folder.relative_to(workspace.root))
            damages.append(Damage(file, "it has no record", "Import it again: tags and labels are kept", movable=True))
    if not repair:
        return damages
    require(Role.OWNER, "repairing the workspace")
    with Jobs(workspace.root).idle():
        for folder in (workspace.root, *workspace.root.glob("damaged/*/")):
            files.remove_leftovers(folder)
        aside = workspace.root / "damaged" / f"{now():%Y%m%d-%H%M%S}"
        return [_set_aside(workspace, damage, aside) for damage in damages]


def _set_aside(workspace: Workspace, damage: Damage, aside: Path) -> Damage:
    if not damage.movable:
        return damage
    path = workspace.root / damage.file
    target = aside / damage.file
    if path == workspace.annotations_path:
        damage = damage._replace(remedy=salvage(workspace, target))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    if not target.exists():
        return damage._replace(done="A new one is in its place")
    return damage._replace(done=f"It now lies in {target.relative_to(workspace.root)}")


def _check_database(workspace: Workspace) -> Iterator[Damage]:
    ours = database_url(workspace.root).startswith("sqlite")
    again = "It keeps what can be read; the copy of `avhcurate check --backup OUT` has all until it was made"
    locked = "Another program holds it, and it may be whole: close that and check again"
    read = partial(_read_database, workspace, ours)
    for damage in _tried(workspace, workspace.annotations_path, again, read, movable=ours):
        if "locked" in damage.problem:
            damage = damage._replace(remedy=locked, movable=False)
        if damage.problem == _NO_ROOM:
            damage = damage._replace(remedy="It may be whole: make room and check again", movable=False)
        yield damage


def _read_database(workspace: Workspace, ours: bool) -> None:
    if ours and (problem := loss(workspace.root)):
        raise CurateError(f"it {problem}")
    if ours and workspace.annotations_path.exists():
        with closing(_open_to_read(workspace)) as connection:
            (result,), *_ = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if result != "ok":
            raise CurateError(result)
        if database := unfinished(workspace):
            raise CurateError(f"it has no entry, and an unfinished repair left {database.relative_to(workspace.root)}")
    open_events(workspace.root).history("")


def _open_to_read(workspace: Workspace) -> sqlite3.Connection:
    return sqlite3.connect(f"{workspace.annotations_path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE_S)


def _check_dataset(workspace: Workspace, dataset: DatasetFolder) -> Iterator[Damage]:
    """Read the files of a dataset as they are, whatever people made of its classes: that is in the database."""
    dataset.as_imported = True
    path = dataset.root / DatasetFolder.FILE
    if problems := list(_tried(workspace, path, "Tags and labels stay", lambda: dataset.record)):
        yield from problems
        return
    record = dataset.record
    again = f"Run `avhcurate import {dataset.name} {shlex.quote(record.source)} --force`, which keeps tags and labels"
    samples = dataset.samples_path
    yield from _tried(workspace, samples, again, partial(_read_rows, samples, record.samples))
    yield from _check_derived(workspace, samples, record.samples)
    if record.votes:
        votes = dataset.votes_path(record.votes)
        attach = again
        if os.path.exists(record.votes.source):
            attach = f"Run `avhcurate votes {dataset.name} {shlex.quote(record.votes.source)} --force`"
        yield from _tried(workspace, votes, attach, partial(_read_rows, votes, record.votes.samples))
    for kind in (RunFolder, TrainingFolder, SelfTrainingFolder):
        for root in sorted((dataset.root / kind.HOME).glob("*/")):
            if {path.name for path in root.iterdir()} <= {LOCK_FILE}:  # work that ended before it wrote anything
                continue
            folder = kind(root)
            again = _made_by(workspace, dataset, folder)
            yield from _tried(workspace, root, again, partial(_read_result, folder), movable=True)
            if isinstance(folder, RunFolder) and (run := folder.intact()):
                yield from _check_derived(workspace, folder.scores_path, run.samples)


def _check_derived(workspace: Workspace, source: Path, rows: int) -> Iterator[Damage]:
    """Read the tables that were made of one for other classes."""
    for path in files.derived_of(source):
        yield from _tried(
            workspace, path, "It is made again when it is used", partial(_read_rows, path, rows), movable=True
        )


def _made_by(workspace: Workspace, dataset: DatasetFolder, folder: ResultFolder[Any]) -> str:
    """Return how to make a result again: by the job that was at work when it began, if that is known."""
    with suppress(CurateError):
        began = folder.record.started.timestamp()
        for job in Jobs(workspace.root).all():
            if job.dataset == dataset.name and job.argv and job.started - 1 <= began <= job.updated:
                return f"Make it again by `{shlex.join(['avhcurate', *job.argv])}`"
    return "Make it again by the command that made it"


def _read_result(folder: ResultFolder[Any]) -> None:
    _ = folder.record
    if isinstance(folder, TrainingFolder):
        folder.evaluations()
    elif isinstance(folder, SelfTrainingFolder):
        for number in folder.rounds():
            folder.report(number)
    elif isinstance(folder, RunFolder) and folder.complete:
        _read_rows(folder.scores_path, folder.record.samples)
        for path in folder.root.glob("*.npy"):
            read_npy(path)


def _read_rows(path: Path, samples: int) -> None:
    """Read all of a Parquet file; raise where it has another number of rows."""
    with pq.ParquetFile(path) as file:
        rows = sum(len(batch) for batch in file.iter_batches(10_000))
    if rows != samples:
        raise CurateError(f"it has {rows} rows, and its record says {samples}")


def _tried(
    workspace: Workspace, path: Path, again: str, read: Callable[[], object], *, movable: bool = False
) -> Iterator[Damage]:
    """Yield what is wrong with a file or folder if it cannot be read."""
    try:
        read()
    except Exception as error:
        if not (isinstance(error, CurateError | OSError | ValueError | KeyError) or disk_trouble(error)):
            raise
        reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        if no_room(error):
            reason = _NO_ROOM
        if isinstance(error, UnknownVersion):  # no damage: it says itself what to do
            again = ""
        yield Damage(str(path.relative_to(workspace.root)), reason, again, movable=movable and bool(again))


def back_up(workspace: Workspace, out: Path) -> None:
    """Copy a workspace into a new folder, which is a workspace too; servers and jobs may go on.

    The database is copied as of one moment, a dataset while it does not change; jobs, caches and images are left out.
    """
    require(Role.OWNER, "copying the workspace")
    if os.path.lexists(out):
        raise CurateError(f"{out} exists. Choose a new folder.")
    if out.resolve().is_relative_to(workspace.root.resolve()):
        raise CurateError(f"{out} is inside the workspace that it would copy. Choose a folder outside.")
    if not database_url(workspace.root).startswith("sqlite"):
        # Without its password, for which pg_dump asks.
        url = sa.make_url(database_url(workspace.root)).set(drivername="postgresql")._replace(password=None)
        raise CurateError(
            f"What people decided is in PostgreSQL. Copy the workspace by `cp -r {workspace.root} {out}`, and then the "
            f"database by `pg_dump --format=custom --file={out}.dump {url}`."
        )
    refuse_loss(workspace.root)
    making = files.temporary_name(out)
    try:
        making.mkdir(parents=True)
    except OSError as problem:
        raise CurateError(f"{out} cannot be written ({problem.strerror}). Choose another folder.") from problem
    try:
        for name in workspace.names():
            with workspace.lock(name):
                root = workspace.dataset(name).root
                left_out = shutil.ignore_patterns(".*.tmp", LOCK_FILE)
                shutil.copytree(root, making / "datasets" / root.name, ignore=left_out)
        # After the datasets: a decision about a dataset that is not copied does no harm.
        if workspace.annotations_path.exists():
            target = making / workspace.annotations_path.name
            with closing(_open_to_read(workspace)) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        making.rename(out)
    finally:
        files.remove(making)
