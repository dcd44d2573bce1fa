"""Room on the disk: checked and taken before long work, and a full disk reported in one line."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import IO

from avhcurate.errors import CurateError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse work that needs more bytes than are free where `folder` is or will be."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
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


def full_disk(error: BaseException) -> str:
    """Return one line for an error that a full disk caused, in a write or in the database; "" for any other error."""
    cause: BaseException | None = error
    while cause is not None:
        original = getattr(cause, "orig", None)  # SQLAlchemy's name for the driver's error
        reason = str(original) if isinstance(original, sqlite3.OperationalError) else ""
        if "readonly" in reason:
            return "The database can only be read: its disk is full or write-protected. Make room and try again."
        if "full" in reason or (isinstance(cause, OSError) and cause.errno in _FULL):
            where = getattr(cause, "filename", None) or "the database"
            return f"The disk is full at {where}. What was finished is kept: make room and run the same again."
        cause = cause.__cause__ or cause.__context__
    return ""
