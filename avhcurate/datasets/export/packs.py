"""Folders of images packed into one file."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.jobs import Progress


def write_packed(write: Callable[[Path], int], out: Path, *, force: bool, progress: Progress) -> int:
    """Pack what `write` puts into a folder of the name of `out`, whole or not at all; return what it returns."""
    files.check_free(out, force=force)
    out.parent.mkdir(parents=True, exist_ok=True)
    files.remove_leftovers(out.parent)
    making = files.temporary_name(out)
    try:
        with progress.interrupting("cancelled before anything was written"):
            count = write(making / out.stem)
            with files.replacing(making / out.name) as stream:
                pack(making / out.stem, stream, progress)
        (making / out.name).replace(out)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return count


def pack(folder: Path, stream: BinaryIO, progress: Progress) -> None:
    """Write a folder with all its files as ZIP; a link becomes the file that it leads to."""
    found = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    # Stored, since images do not get smaller; a date before 1980, which ZIP does not have, becomes its first.
    with zipfile.ZipFile(stream, "w", strict_timestamps=False) as archive:
        for number, file in enumerate(found, 1):
            archive.write(file, file.relative_to(folder.parent))
            if number % 100 == 0 or number == len(found):
                progress.tell(number, len(found), "files packed")
