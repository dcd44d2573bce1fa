"""The logs of what people decide and answer, opened in the database of a workspace: `root` is its folder."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from filelock import FileLock

from avhcurate.errors import CurateError, Run
from avhcurate.workspace.data.class_changes import ClassChanges
from avhcurate.workspace.data.event import LOCK, Event
from avhcurate.workspace.data.event_tables import TABLES
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.log_tables import METADATA
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.database import open_engine

#: The SQLite file of a workspace.
DATABASE = "annotations.db"
#: "AVHC", in the header of every SQLite file that is made whole before it comes into its place.
APPLICATION_ID = 0x41564843
_Log = TypeVar("_Log")


def open_events(root: Path) -> EventLog:
    """Return the log of what people decide in a workspace."""
    return open_log(EventLog, root)


def lock_of(root: Path, dataset: str) -> Event | None:
    """Return the event that locked a part of a dataset, None where no part is locked."""
    if _in_folder(root) and not (root / DATABASE).exists() and not loss(root):
        return None  # nothing was decided, and reading makes no database
    return open_events(root).last(dataset, [LOCK])


def changes_of(root: Path, dataset: str) -> ClassChanges:
    """Return what people have made of the classes of a dataset."""
    if _in_folder(root) and not (root / DATABASE).exists() and not loss(root):
        return ClassChanges()
    return open_events(root).class_changes(dataset)


def locked_paths(root: Path, dataset: str) -> pa.Array:
    """Return the paths that are locked, sorted; some may no longer be in the dataset."""
    if lock := lock_of(root, dataset):
        return open_events(root).members(lock.id)
    return pa.array([], pa.string())


def open_log(log: Callable[[str], _Log], root: Path) -> _Log:
    """Return a log of the database: one for the whole process."""
    return _shared(log, *_url_and_file(root))


@lru_cache(maxsize=16)
def _shared(log: Callable[[str], _Log], url: str, _file: int) -> _Log:
    # The tables of both logs at once: a step finds all, and on a disk that is full later none could be created.
    open_engine(url, TABLES, METADATA).dispose()
    return log(url)


def _in_folder(root: Path) -> bool:
    return database_url(root).endswith(str(root / DATABASE))


def _url_and_file(root: Path) -> tuple[str, int]:
    """Return the database and the inode of its file, which differs once a workspace was removed and made again."""
    url = database_url(root)
    path = root / DATABASE
    if not _in_folder(root):
        return url, 0
    refuse_loss(root)
    if not path.exists():
        with FileLock(root / ".annotations.lock"):
            files.remove_leftovers(root)
            if not path.exists():
                with new_database(path):
                    pass
    if not _mark(root).exists():
        with suppress(OSError):  # of a disk that is full or write-protected
            _mark(root).touch()
    return url, path.stat().st_ino


def loss(root: Path) -> str:
    """Return what became of the SQLite file of a workspace, as words that follow its name; "" where it is not gone."""
    path = root / DATABASE
    if path.exists() and not path.stat().st_size:
        return "is empty (0 bytes)"
    if not path.exists() and (_mark(root).exists() or set_aside(root)):
        return "is missing, and was here before"
    return ""


def refuse_loss(root: Path) -> None:
    """Refuse a workspace whose SQLite file is gone: a new one in its place would hide that."""
    if problem := loss(root):
        raise CurateError(
            f"{root / DATABASE}, which holds decisions and votes, {problem}.",
            fix=f"Put a copy of it back, or {Run('check', repair=True)}, which says what is left",
        )


def set_aside(root: Path) -> list[Path]:
    """Return the databases that repairs have set aside, oldest first."""
    return sorted(root.glob(f"damaged/*/{DATABASE}"))


def _mark(root: Path) -> Path:
    """Return the file that says that the workspace has had a database."""
    return (root / DATABASE).with_suffix(".made")


@contextmanager
def new_database(path: Path) -> Iterator[Path]:
    """Make a SQLite file with all tables, which is renamed to `path` at the end of the block; yield where it is.

    It is in a folder of its own beside `path`, with what SQLite writes next to it.
    """
    folder = files.temporary_name(path)
    database = folder / path.name
    folder.mkdir()
    try:
        open_engine(f"sqlite:///{database}", TABLES, METADATA).dispose()
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        yield database
        with open(database, "rb+") as stream:
            files.flush(stream)
        os.replace(database, path)
        files.flush_folder(path.parent)
    finally:
        files.remove(folder)


def database_url(root: Path) -> str:
    """AVHCURATE_DATABASE_URL, else annotations.db in the workspace."""
    url = os.environ.get("AVHCURATE_DATABASE_URL")
    if url:
        # By its plain names SQLAlchemy means another driver than the one that comes with the extra.
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    root.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{root / DATABASE}"
