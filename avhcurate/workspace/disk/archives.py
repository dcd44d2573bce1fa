"""Members of a tar or files of a folder, by name and bytes; nothing is extracted to disk."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.remote import words_of

#: A larger member is refused: it would be unpacked in memory.
_MOST = 512 << 20


def entries(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield name ("/" between folders) and bytes of the regular files that are `wanted` by name.

    Files of a folder come sorted, members of a tar, which may be packed, in its order. Raise `CurateError` for a
    damaged archive.
    """
    try:
        if path.is_dir():
            yield from _files(path, wanted)
        else:
            yield from _tarred(path, wanted)
    except CurateError:
        raise
    except Exception as problem:  # damage, a password or an unknown compression raise almost anything
        raise CurateError(
            f"{path} cannot be read to its end ({words_of(problem)}). Remove it and fetch it again."
        ) from problem


def _files(folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if wanted(name) and path.is_file():
            _check_size(name, path.stat().st_size)
            yield name, path.read_bytes()


def _tarred(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r:*") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header
            if member.isreg() and wanted(member.name) and (stream := tar.extractfile(member)) is not None:
                _check_size(member.name, member.size)
                yield member.name.removeprefix("./"), stream.read()


def check_packing(info: zipfile.ZipInfo) -> None:
    """Refuse members that are packed by another method than Deflate: few of their bytes may unpack to gigabytes."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CurateError(f"{info.filename[:80]!r} is not packed by Deflate, as zips mostly are. Make the zip again.")


def _check_size(name: str, size: int) -> None:
    if size > _MOST:
        raise CurateError(f"{name[:80]!r} has {size >> 20} MiB unpacked (limit {_MOST >> 20}).")
