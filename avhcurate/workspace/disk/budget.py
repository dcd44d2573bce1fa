"""What a file from outside may take once it is read: every reader asks here, by the header, before it reads the rest.

A few bytes on a disk can stand for gigabytes: holes of a sparse file, packed zeros, one value repeated.
"""

import errno
import os
from pathlib import Path

from avhcurate.errors import CurateError

#: Bytes that the content of any file may take, and how many times its bytes on the disk.
SPARE = 128 << 20
RATIO = 200


def check_file(path: Path) -> None:
    """Refuse a file that is mostly a hole, whose zeros would take long to read."""
    check_budget(path, path.stat().st_size, str(path))


def check_budget(path: Path, needed: int, title: str) -> None:
    """Refuse content that takes more bytes than its file may."""
    if needed <= SPARE:
        return
    stored = _bytes_stored(path)
    limit = most_bytes(stored)
    if needed > limit:
        raise CurateError(
            f"{title} would take {needed / 1e6:,.0f} MB, and its {stored / 1e6:,.3f} MB on the disk may take "
            f"{limit / 1e6:,.0f}. Check what wrote it."
        )


def most_bytes(stored: int) -> int:
    """Return how many bytes may be made of so many on a disk."""
    return max(SPARE, RATIO * stored)


def _bytes_stored(path: Path) -> int:
    """Return the bytes of a file without the holes of a sparse one."""
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stored = 0
        end = 0
        try:
            while end < size:
                start = stream.seek(end, os.SEEK_DATA)
                end = stream.seek(start, os.SEEK_HOLE)
                stored += end - start
        except OSError as problem:
            if problem.errno != errno.ENXIO:  # which means that a hole is at the end
                return size
        return stored
