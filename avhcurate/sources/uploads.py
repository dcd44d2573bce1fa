"""Files that a browser sends: kept inside the workspace by their content, a zip of images unpacked with limits."""

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from avhcurate.data.people import Role, require
from avhcurate.data.workspace import Workspace
from avhcurate.disk.archives import check_packing
from avhcurate.disk.files import flush_folder, remove_leftovers, replacing, temporary_name
from avhcurate.errors import CurateError
from avhcurate.sources.folder import IMAGE_SUFFIXES

#: Suffixes of files that are taken whole.
TABLES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".npy", ".txt")
_MANIFESTS = (".csv", ".tsv", ".parquet")
#: A zip holds at most so many files, unpacks to so many bytes in all and so many a file.
MOST_FILES, MOST_BYTES, MOST_FILE_BYTES = 50_000, 8 << 30, 512 << 20
#: The smallest zip that may unpack to more than this many times its size; photographs hardly shrink.
_MOST_RATIO, _SMALL = 200, 64 << 20
_BLOCK = 1 << 20
#: What damage raises, and (RuntimeError, NotImplementedError) a password or a compression that is not known here.
_UNREADABLE = (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


def keep_upload(workspace: Workspace, name: str, file: BinaryIO) -> Path:
    """Keeps an uploaded file in the workspace's `uploads/` and returns where it lies; the same content is kept once.

    A zip becomes a folder of its images and tables: one table at its top with images below is returned itself, as the
    manifest of a dataset. Raises CurateError for a kind of file that nothing reads, and for a zip that is damaged, has
    a password, leaves its folder, holds links, or unpacks to more than the limits.
    """
    require(Role.CURATOR, "giving files to the server")
    plain = PurePosixPath(name.replace("\\", "/")).name
    suffix = PurePosixPath(plain).suffix.lower()
    if suffix not in (*TABLES, ".zip"):
        raise CurateError(f"{plain[:80]!r} is neither a zip of images nor a table: give {', '.join(TABLES)} or .zip")
    file.seek(0)
    home = workspace.uploads / hashlib.file_digest(cast(Any, file), "sha256").hexdigest()[:16]
    file.seek(0)
    target = home / (_safe(PurePosixPath(plain).stem) + ("" if suffix == ".zip" else suffix))
    if not target.exists():
        home.mkdir(parents=True, exist_ok=True)
        if suffix == ".zip":
            _unpack(file, target)
        else:
            with replacing(target) as stream:
                shutil.copyfileobj(file, stream)
    return _source(target) if suffix == ".zip" else target


def _unpack(file: BinaryIO, target: Path) -> None:
    """Unpacks a zip of images into `target`, whole or not at all."""
    remove_leftovers(target.parent)
    making = temporary_name(target)  # its own: another window may be giving the same zip
    making.mkdir(parents=True)
    try:
        with zipfile.ZipFile(file) as archive:
            members = list(_members(archive))
            left = min(MOST_BYTES, max(_SMALL, _MOST_RATIO * file.seek(0, 2)))
            for info, place in members:
                left -= _write(archive, info, making / place, left)
        _put(making, target)
    except _UNREADABLE as error:
        raise CurateError(f"the zip cannot be unpacked ({error}): make it again without a password") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _put(made: Path, target: Path) -> None:
    """Gives the folder its name once all of it is on the disk; where another window was quicker, that one's stays."""
    if hasattr(os, "sync"):  # once, in place of a flush of each of thousands of files
        os.sync()
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    flush_folder(target.parent)


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    """The images and tables of a zip, and where each goes; other files are left in it."""
    found, places = 0, set()
    for info in archive.infolist():
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if not path.parts:  # "./", as zips of the folder itself have it
            continue
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise CurateError(f"the zip holds {info.filename[:80]!r}, which leaves its folder: make it again")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CurateError(f"the zip holds a link ({info.filename[:80]!r}): put the file itself into it")
        check_packing(info)
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if info.is_dir() or hidden or path.suffix.lower() not in (*IMAGE_SUFFIXES, *TABLES):
            continue
        if ":" in str(path):  # a file of another name, and a stream of it, on Windows
            raise CurateError(f"the zip holds {info.filename[:80]!r}, which is no name on every system: rename it")
        found += 1
        if found > MOST_FILES:
            raise CurateError(f"the zip holds more than {MOST_FILES:,} files: import its folder by its path instead")
        place = Path(*path.parts)
        if str(place).casefold() in places:
            raise CurateError(f"the zip holds {info.filename[:80]!r} twice: make it again")
        places.add(str(place).casefold())
        yield info, place
    if not found:
        raise CurateError(f"the zip holds no image: give one of {', '.join(sorted(IMAGE_SUFFIXES))}")


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpacks one file; what a zip says of its sizes is not believed. Returns the bytes written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written, most = 0, min(left, MOST_FILE_BYTES)
    with archive.open(info) as packed, open(target, "xb") as stream:
        while block := packed.read(_BLOCK):
            written += len(block)
            if written > most:
                raise CurateError(
                    f"the zip unpacks to more than is taken ({MOST_BYTES >> 30} GiB in all, {MOST_FILE_BYTES >> 20} "
                    f"MiB a file, {_MOST_RATIO} times its size): import its folder by its path instead"
                )
            stream.write(block)
    return written


def _source(folder: Path) -> Path:
    """The folder of images below those that hold nothing else, or the one table beside them."""
    while len(inside := sorted(folder.iterdir())) == 1 and inside[0].is_dir():
        folder = inside[0]
    tables = [one for one in inside if one.suffix.lower() in _MANIFESTS]
    return tables[0] if len(tables) == 1 else folder


def _safe(stem: str) -> str:
    """A name without what a system or a shell might read as more than one.

    >>> _safe("my photos (2)"), _safe("...")
    ('my-photos-2', 'upload')
    """
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in stem)
    return "-".join(filter(None, kept.split("-"))).strip(".-")[:60] or "upload"
