"""The logs of what people decide, opened in the database of a workspace."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from avhcurate.errors import CurateError, Run
from avhcurate.people.log import ResponseLog
from avhcurate.people.log_tables import METADATA
from avhcurate.workspace.data.events import TABLES, EventLog
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.database import open_engine

#: "AVHC", in the header of every SQLite file that is made whole before it comes into its place.
APPLICATION_ID = 0x41564843
_Log = TypeVar("_Log")


def open_events(workspace: Workspace) -> EventLog:
    """Return the log of what people decide in a workspace."""
    return _shared(EventLog, *_url_and_file(workspace))


def open_response_log(workspace: Workspace) -> ResponseLog:
    """The response log, in the same database; one for the whole process, since it keeps the responses in memory."""
    return _shared(ResponseLog, *_url_and_file(workspace))


@lru_cache(maxsize=16)
def _shared(log: Callable[[str], _Log], url: str, _file: int) -> _Log:
    # The tables of both logs at once: a step finds all, and on a disk that is full later none could be created.
    open_engine(url, TABLES, METADATA).dispose()
    return log(url)


def _url_and_file(workspace: Workspace) -> tuple[str, int]:
    """Return the database and the inode of its file, which differs once a workspace was removed and made again."""
    url = database_url(workspace)
    path = workspace.annotations_path
    if not url.endswith(str(path)):
        return url, 0
    refuse_loss(workspace)
    if not path.exists():
        with FileLock(workspace.root / ".annotations.lock"):
            files.remove_leftovers(workspace.root)
            if not path.exists():
                with new_database(path):
                    pass
    if not _mark(workspace).exists():
        with suppress(OSError):  # of a disk that is full or write-protected
            _mark(workspace).touch()
    return url, path.stat().st_ino


def loss(workspace: Workspace) -> str:
    """Return what became of the SQLite file of a workspace, as words that follow its name; "" where it is not gone."""
    path = workspace.annotations_path
    if path.exists() and not path.stat().st_size:
        return "is empty (0 bytes)"
    if not path.exists() and (_mark(workspace).exists() or set_aside(workspace)):
        return "is missing, and was here before"
    return ""


def refuse_loss(workspace: Workspace) -> None:
    """Refuse a workspace whose SQLite file is gone: a new one in its place would hide that."""
    if problem := loss(workspace):
        raise CurateError(
            f"{workspace.annotations_path}, which holds decisions and votes, {problem}.",
            fix=f"Put a copy of it back, or {Run('check', repair=True)}, which says what is left",
        )


def set_aside(workspace: Workspace) -> list[Path]:
    """Return the databases that repairs have set aside, oldest first."""
    return sorted(workspace.root.glob("damaged/*/annotations.db"))


def _mark(workspace: Workspace) -> Path:
    """Return the file that says that the workspace has had a database."""
    return workspace.annotations_path.with_suffix(".made")


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


def database_url(workspace: Workspace) -> str:
    """AVHCURATE_DATABASE_URL, else annotations.db in the workspace."""
    url = os.environ.get("AVHCURATE_DATABASE_URL")
    if url:
        # By its plain names SQLAlchemy means another driver than the one that comes with the extra.
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    workspace.root.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{workspace.annotations_path}"
