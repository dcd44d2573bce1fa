"""Room on the disk: checked and taken before long work, and a full disk reported in one line."""

import errno
import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import IO

from avhcurate.errors import CurateError

_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Errors of a statement, not of the file that it is about.
_BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError)
#: Who reads Parquet, and words of what they say of damage.
_READERS = ("pyarrow", "duckdb", "_duckdb")
_PARQUET = re.compile(r"parquet|magic bytes|thrift|page|corrupt", re.IGNORECASE)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse work that needs more bytes than are free where `folder` is or will be."""
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise CurateError(
            f"{what} takes {needed / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free at {folder}. Make room."
        )


def take_room(file: IO[bytes], size: int) -> None:
    """Make an open file `size` bytes long, zeros at its end, and take that room from the disk now.

    So no other program can fill the disk before it is used. Where the system cannot (macOS, Windows), the file only
    gets its length. OSError where there is too little room.
    """
    file.flush()
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def can_write(folder: Path) -> bool:
    """Return whether files can be written in a folder: its disk is neither full nor write-protected."""
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= 1 << 20


def no_room(error: BaseException) -> bool:
    """Return whether a database failed since its disk is full, also as an I/O error of the index of its log."""
    original = getattr(error, "orig", error)
    if not isinstance(original, sqlite3.Error):
        return False
    return "full" in str(original) or getattr(original, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"


def disk_trouble(error: BaseException) -> str:
    """Return one line for an error that a full disk, or a damaged or locked file, caused; "" for any other error."""
    cause: BaseException | None = error
    while cause is not None:
        if line := _database_trouble(cause) or _file_trouble(cause):
            return line
        cause = cause.__cause__ or cause.__context__
    return ""


def _database_trouble(cause: BaseException) -> str:
    original = getattr(cause, "orig", cause)  # SQLAlchemy's name for the driver's error
    reason = next(iter(str(original).splitlines()), "")[:200]
    if original is not cause and type(cause).__name__ == "OperationalError" and not isinstance(original, sqlite3.Error):
        return f"The database does not answer ({reason}). What was saved is kept: try again in a moment."
    if not isinstance(original, sqlite3.DatabaseError) or isinstance(original, _BUGS):
        return ""
    if "readonly" in reason:
        return "The database can only be read: its disk is full or write-protected. Make room and try again."
    if no_room(original):
        return "The disk is full at the database. What was finished is kept: make room and run the same again."
    if "locked" in reason:
        return "Another program holds annotations.db, and nothing was written. Close it and run the same again."
    return f"The database annotations.db is damaged ({reason}). The datasets are intact: run `avhcurate check`."


def _file_trouble(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.errno in _FULL:
        where = getattr(cause, "filename", None) or "the database"
        return f"The disk is full at {where}. What was finished is kept: make room and run the same again."
    reading = type(cause).__module__.partition(".")[0] in _READERS or (isinstance(cause, OSError) and not cause.errno)
    if reading and _PARQUET.search(str(cause)):
        reason = " ".join(str(cause).split())[:300]
        return f"A file of the workspace is damaged ({reason}). Run `avhcurate check`, which says how to go on."
    return ""
