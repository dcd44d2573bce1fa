"""Resumable downloads whose checksums are verified."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.files import flush, sha256, write_atomic
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.remote import PIECE, RemoteError, is_http, open_http, open_place, pieces_of, words_of
from avhcurate.workspace.disk.room import check_room

#: Times that a connection may break without a byte having come.
_TRIES = 3
_RESUMES = "The same command resumes."


@dataclass(frozen=True)
class Wanted:
    """A file to download: its `name`, and the places that have it, in order.

    `checksum` is `md5:HEX` or `sha256:HEX` as published, None where none is; `size` in bytes, where it is known.
    `optional`: the dataset can do without it.
    """

    name: str
    places: tuple[str, ...]
    size: int | None = None
    checksum: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Fetched:
    """A file that is there: its path, its SHA-256, and what the user should know of its checksum."""

    path: Path
    sha256: str
    message: str = ""


def fetch_file(
    wanted: Wanted,
    folder: Path,
    *,
    mirror: str | None = None,
    secret: dict[str, str] | None = None,
    progress: Progress = SILENT,
) -> Fetched:
    """Return the file in `folder`, downloaded unless it is there already.

    A `mirror` (a folder or an address that holds a file of that name) is asked instead of the places. `secret`
    headers go only to the places. Raise `CurateError` when no place has it or its checksum is another, `Cancelled`
    when stopped; the same call resumes where a checksum is published. `progress` counts bytes, of 0 where the size is
    unknown. One process at a time downloads a file.
    """
    target, places = folder / wanted.name, wanted.places
    if mirror is not None:
        places, secret = (f"{mirror.rstrip('/')}/{wanted.name}",), None
    if target.exists():
        return _checked(wanted, target, target)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f".{wanted.name}.lock", timeout=0):
            return _fetch(wanted, places, target, secret, progress)
    except Timeout:
        raise CurateError(f"Another process is fetching {wanted.name} to {folder}. Wait for it.") from None


def _fetch(
    wanted: Wanted, places: tuple[str, ...], target: Path, secret: dict[str, str] | None, progress: Progress
) -> Fetched:
    if target.exists():  # another process was quicker
        return _checked(wanted, target, target)
    problems = []
    part = target.with_name(f".{target.name}.part")
    for place in places:
        try:
            _download(wanted, place, part, secret, progress)
        except (RemoteError, OSError) as problem:
            problems.append(f"{place}: {words_of(problem)}")
            continue
        fetched = _checked(wanted, part, target, place)
        os.replace(part, target)
        return fetched
    raise CurateError(
        f"{wanted.name} could not be fetched ({'; '.join(problems)}). {_RESUMES} Or give a folder that holds the file."
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _download(wanted: Wanted, place: str, part: Path, secret: dict[str, str] | None, progress: Progress) -> None:
    """Download the rest, again and again where the connection breaks."""
    if wanted.checksum is None:  # a part may be of another version, which no checksum would show
        part.unlink(missing_ok=True)
    tries, done = 0, False
    while not done:
        before = _size(part)
        try:
            _append(wanted, place, part, secret, progress)
            done = True
        except RemoteError as problem:
            tries += 1
            if _size(part) > before:
                tries = 0
            if not problem.passing or tries == _TRIES:
                raise


def _append(wanted: Wanted, place: str, part: Path, secret: dict[str, str] | None, progress: Progress) -> None:
    """Download the rest over one connection."""
    have = _size(part)
    if have and have == wanted.size:
        return
    with _opened(place, have, secret) as (start, length, pieces):
        total = length or wanted.size or 0
        if wanted.size is not None and total > wanted.size:
            raise RemoteError(f"{total} bytes would come, but {wanted.size} are expected")
        check_room(part.parent, total - start, f"The rest of {wanted.name}")
        with open(part, "ab" if start else "wb") as stream:
            for piece in pieces:
                stream.write(piece)
                if total and stream.tell() > total:
                    raise RemoteError(f"more than the expected {total} bytes came")
                progress.tell(stream.tell(), total, cancelled=f"cancelled. {_RESUMES}")
            flush(stream)
    if total and _size(part) < total:
        raise RemoteError("the connection broke", passing=True)


@contextmanager
def _opened(place: str, have: int, secret: dict[str, str] | None) -> Iterator[tuple[int, int, Iterator[bytes]]]:
    """Open a place after the first `have` bytes if possible; yield where its bytes start, the total, and the bytes."""
    if not is_http(place):
        with open_place(place) as stream:
            total = stream.seek(0, os.SEEK_END)
            if have > total:
                have = 0
            stream.seek(have)
            yield have, total, iter(lambda: stream.read(PIECE), b"")
        return
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with open_http(place, headers, secret=secret) as answer:
            start, total = 0, int(answer.headers.get("Content-Length") or 0)
            if answer.status_code == 206:
                span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
                if span is None or int(span[1]) != have:
                    raise RemoteError("the server sent another part than was requested")
                start, total = have, int(span[2].replace("*", "0"))
            yield start, total, pieces_of(answer)
    except RemoteError as problem:
        if problem.status != 416 or not have:
            raise
        # It became shorter, or the size of a whole part was unknown: all of it is requested.
        with _opened(place, 0, secret) as whole:
            yield whole


def _checked(wanted: Wanted, file: Path, target: Path, place: str = "") -> Fetched:
    """Return the file when its size and checksum are right; a wrong download is removed, a wrong file of others stays.

    Where no checksum is published, that of the first download is noted and compared with.
    """
    kind, _, published = (wanted.checksum or "sha256:").partition(":")
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    digest256, size = sha256(file), file.stat().st_size
    noted = target.with_name(f"{target.name}.sha256")
    first = ""
    if not published and noted.exists():
        first = noted.read_text().strip()
    wrong = []
    if wanted.size not in (None, size):
        wrong.append(f"{size} bytes, but {wanted.size} are expected")
    if published not in ("", digest):
        wrong.append(f"{kind} {digest}, but {published} is published")
    if first not in ("", digest256):
        wrong.append(f"sha256 {digest256}, but it was {first} when it was first fetched ({noted})")
    if wrong and not place:
        raise CurateError(
            f"{file} has {' and '.join(wrong)}: it is damaged or another file. Remove it and run the command again, or "
            "give another folder."
        )
    if wrong:
        file.unlink()
        raise CurateError(
            f"{wanted.name} from {place} has {' and '.join(wrong)}: it is damaged or another file, and was removed. "
            "Run the command again, or fetch it from elsewhere."
        )
    if published:
        return Fetched(path=target, sha256=digest256)
    if not first:
        write_atomic(noted, f"{digest256}\n")
    message = f"No checksum of {wanted.name} is published. Its sha256 here is {digest256}."
    return Fetched(path=target, sha256=digest256, message=message)
