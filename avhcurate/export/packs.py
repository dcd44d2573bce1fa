"""Folders of images packed into one file, by a job, for a browser to fetch; they stay in the workspace for a week."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from avhcurate.disk import files
from avhcurate.disk.jobs import Progress
<<<<<<< HEAD
from avhcurate.errors import CurateError

#: Seconds for which a pack is kept at least.
_KEPT_S = 7 * 86_400
_NAME = re.compile(r"[A-Za-z0-9._-]{1,120}\.zip")


def pack_path(workspace: Workspace, dataset: str, format: str) -> Path:
    """Return where a new pack of a dataset goes; packs and leftovers older than a week are removed."""
    folder = workspace.exports / workspace.dataset(dataset).id
    for old in folder.glob("*.zip*"):
        if time.time() - old.stat().st_mtime > _KEPT_S:
            files.remove(old)
    return folder / f"{dataset}-{format}-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip"


def packs(workspace: Workspace, dataset: str) -> list[Path]:
    """Return the packs of a dataset, newest first."""
    folder = workspace.exports / workspace.dataset(dataset).id
    found = (path for path in folder.glob("*.zip") if _NAME.fullmatch(path.name))
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def find_pack(workspace: Workspace, dataset: str, name: str) -> Path:
    """Return the pack of that name among those that exist."""
    if dataset in workspace.names():
        for path in packs(workspace, dataset):
            if path.name == name:
                return path
    raise CurateError("This export no longer exists. Make it again.")
=======
>>>>>>> 84e3867 (Details are one dialog with one image; large exports are named by their command)


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
