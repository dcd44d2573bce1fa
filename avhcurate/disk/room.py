"""Room on the disk: looked at and taken before long work, and a full disk told in one line."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import IO

from avhcurate.errors import CurateError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_room(folder: Path, needed: int, what: str, *, instead: str = "") -> None:
    """Refuses work that needs more bytes than are free where `folder` is or will be; `instead` is another way."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if (free := shutil.disk_usage(there).free) < needed:
        raise CurateError(
            f"{what} takes {_size(needed)} and {_size(free)} are free at {folder}: make room"
            + (f", or {instead}" if instead else "")
        )


def take_room(file: IO[bytes], size: int) -> None:
    """Makes an open file `size` bytes long, zeros at its end, and takes that room from the disk now.

    So no other program can fill the disk meanwhile. Where the system cannot (macOS, Windows), the file only gets its
    length. OSError where there is too little room.
    """
    file.flush()
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has less than a megabyte left."""
    return shutil.disk_usage(folder).free < 1 << 20


def can_write(folder: Path) -> bool:
    """Whether files can be written in a folder: its disk is neither full nor write-protected."""
    return os.access(folder, os.W_OK) and not is_full(folder)


def full_disk(error: BaseException) -> str:
    """One line for an error that a full disk caused, in a write or in the database; "" for any other error."""
    cause: BaseException | None = error
    while cause is not None:
        original = getattr(cause, "orig", None)  # SQLAlchemy's name for the driver's error
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return _line(cause.filename)
        if isinstance(original, sqlite3.OperationalError) and "full" in str(original):
            return _line(None)
        if isinstance(original, sqlite3.OperationalError) and "readonly" in str(original):
            return "the database can only be read, since its disk is full or write-protected: make room and try again"
        cause = cause.__cause__ or cause.__context__
    return ""


def _line(file: object) -> str:
    where = f"the disk is full at {file}" if file else "the disk is full"
    return f"{where}: what was finished is kept; make room and do the same again, long work resumes"


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
