"""Files that a browser sends: kept inside the workspace by their content, a zip of images unpacked with limits."""

import hashlib
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES
from avhcurate.errors import CurateError
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.archives import check_packing
from avhcurate.workspace.disk.budget import most_bytes
from avhcurate.workspace.disk.files import remove, remove_leftovers, replacing, temporary_name

#: Suffixes of files that are kept whole, and of those that can be a manifest.
TABLES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".npy", ".txt")
_MANIFESTS = TABLES[:3]
#: A zip holds at most so many files, unpacks to so many bytes in all and so many a file.
MOST_FILES = 50_000
MOST_BYTES = 8 << 30
MOST_FILE_BYTES = 512 << 20
#: What damage raises; RuntimeError and NotImplementedError mean a password or an unknown compression.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


def keep_upload(workspace: Workspace, name: str, file: BinaryIO) -> Path:
    """Keep an uploaded file in the workspace's `uploads/` and return its path; the same content is kept once.

    A zip becomes a folder of its images and tables: a single table with images next to it is returned itself, as the
    manifest of a dataset. Raises CurateError for a kind of file that cannot be read, and for a zip that is damaged, has
    a password, leaves its folder, holds links, or unpacks to more than the limits.
    """
    require(Role.CURATOR, "giving files to the server")
    plain = PurePosixPath(name.replace("\\", "/"))
    suffix = plain.suffix.lower()
    stem = _safe(plain.stem)
    if suffix not in (*TABLES, ".zip"):
        raise CurateError(f"{plain.name[:80]!r} is not a zip of images or a table. Give {', '.join(TABLES)} or .zip.")
    file.seek(0)
    home = workspace.uploads / hashlib.file_digest(cast(Any, file), "sha256").hexdigest()[:16]
    file.seek(0)
    home.mkdir(parents=True, exist_ok=True)
    if suffix == ".zip":
        if not (home / stem).is_dir():
            _unpack(file, home / stem)
        return _source(home / stem)
    target = home / (stem + suffix)
    if not target.exists():
        with replacing(target) as stream:
            shutil.copyfileobj(file, stream)
    return target


def _unpack(file: BinaryIO, target: Path) -> None:
    """Unpack a zip of images into `target`, whole or not at all."""
    remove_leftovers(target.parent)
    making = temporary_name(target)
    making.mkdir()
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive.infolist(), min(MOST_BYTES, most_bytes(file.seek(0, 2))))
            for path, info in members.items():
                (making / path).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as packed, open(making / path, "xb") as stream:
                    shutil.copyfileobj(packed, stream)  # never more than the size that was checked
        making.rename(target)
    except _UNREADABLE as error:
        raise CurateError(f"The zip cannot be unpacked ({error}). Make it again without a password.") from error
    finally:
        remove(making)


def _members(infos: list[zipfile.ZipInfo], limit: int) -> dict[str, zipfile.ZipInfo]:
    """Return the images and tables of a zip by their paths below its folder; other files are left out."""
    members = dict[str, zipfile.ZipInfo]()
    sizes = list[int]()
    for info in infos:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        name = info.filename[:80]
        if path.is_absolute() or ".." in path.parts or ":" in str(path):
            raise CurateError(f"The zip holds {name!r}, which leaves its folder or is not a valid name. Make it again.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CurateError(f"The zip holds a link ({name!r}). Put the file itself into it.")
        check_packing(info)
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if not info.is_dir() and not hidden and path.suffix.lower() in (*IMAGE_SUFFIXES, *TABLES):
            members[str(path)] = info
            sizes.append(info.file_size)
    if not members:
        raise CurateError(f"The zip holds no image. Give one of {', '.join(sorted(IMAGE_SUFFIXES))}.")
    if len({path.casefold() for path in members}) < len(sizes):
        raise CurateError("The zip holds a name twice. Make it again.")
    if len(members) > MOST_FILES or sum(sizes) > limit or max(sizes) > MOST_FILE_BYTES:
        raise CurateError(
            f"The zip unpacks to more than the limit ({MOST_FILES:,} files, {limit >> 20} MiB in all, "
            f"{MOST_FILE_BYTES >> 20} MiB a file). Import its folder by its path instead."
        )
    return members


def _source(folder: Path) -> Path:
    """Return the folder of images below those that hold nothing else, or the one table next to them."""
    while len(inside := sorted(folder.iterdir())) == 1 and inside[0].is_dir():
        folder = inside[0]
    tables = [file for file in inside if file.suffix.lower() in _MANIFESTS]
    if len(tables) == 1:
        return tables[0]
    return folder


def _safe(stem: str) -> str:
    """Return a name without characters that a system or a shell might misread.

    >>> _safe("my photos (2)"), _safe("...")
    ('my-photos-2', 'upload')
    """
    return re.sub(r"[^\w.]+", "-", stem).strip(".-")[:60] or "upload"
