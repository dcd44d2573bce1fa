"""Resumable downloads whose checksums are verified."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.disk.files import flush, safe_name, sha256, write_atomic
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.remote import (
    PIECE,
    RemoteError,
    is_http,
    is_url,
    open_http,
    open_place,
    pieces_of,
    wait_after,
    words_of,
)
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


@dataclass(frozen=True)
class FirstChecksums:
    """What first came from addresses without a published checksum: a file in `folder` has the SHA-256 of each.

    `accept`: another file is taken, and is from then on what came first.
    """

    folder: Path
    accept: bool = False

    def compare(self, wanted: Wanted, places: Sequence[str], fetched: Fetched, *, again: str) -> Fetched:
        """Return a file that is what first came from one of its addresses; `again` says how to fetch it once more.

        Raise `CurateError` for another one. Folders of the user's are not addresses, and may change.
        """
        notes = [self._note(wanted, address) for address in places if is_url(address)]
        if wanted.checksum is not None or not notes:
            return fetched
        known = [note.read_text().strip() for note in notes if note.exists()]
        if known and fetched.sha256 not in known and not self.accept:
            raise CurateError(
                f"{wanted.name} has sha256 {fetched.sha256}, but had {known[0]} when it was first fetched: somebody "
                "has changed it, or it is damaged.",
                fix=f"{again}, or give {Option('force', True)} where you trust this one",
            )
        if fetched.sha256 not in known:
            write_atomic(notes[0], fetched.sha256 + "\n")
        return replace(fetched, message=f"{fetched.message} Later downloads are compared with it.")

    def _note(self, wanted: Wanted, address: str) -> Path:
        """Named by a hash, since an address may hold a password."""
        return self.folder / f"{safe_name(wanted.name)}-{hashlib.sha256(address.encode()).hexdigest()[:16]}.sha256"


def fetch_file(
    wanted: Wanted,
    folder: Path,
    *,
    first: FirstChecksums,
    mirror: str | None = None,
    secret: dict[str, str] | None = None,
    progress: Progress = SILENT,
) -> Fetched:
    """Return the file in `folder`, downloaded unless it is there already.

    A `mirror` (a folder or an address that holds a file of that name) is asked instead of the places. `secret`
    headers go only to the places. Raise `CurateError` when no place has it or its checksum is another, `Cancelled`
    when stopped; the same call resumes where a checksum is published, and where none is, the file is compared with
    what came `first`. `progress` counts bytes, of 0 where the size is unknown. One process at a time downloads a file.
    """
    if mirror is not None:
        wanted = replace(wanted, places=(f"{mirror.rstrip('/')}/{wanted.name}",))
        secret = None
    target = folder / wanted.name
    if target.exists():
        return _there(wanted, target, first)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f".{wanted.name}.lock", timeout=0):
            if target.exists():  # another process was quicker
                return _there(wanted, target, first)
            return _fetch(wanted, target, first, secret, progress)
    except Timeout:
        raise CurateError(f"Another process is fetching {wanted.name} to {folder}. Wait for it.") from None


def _there(wanted: Wanted, target: Path, first: FirstChecksums) -> Fetched:
    """Return the file that is there already."""
    return first.compare(wanted, wanted.places, _checked(wanted, target), again=f"Remove {target} to fetch it again")


def _fetch(
    wanted: Wanted, target: Path, first: FirstChecksums, secret: dict[str, str] | None, progress: Progress
) -> Fetched:
    """Return the file of the first place that has it, put at `target`; one that is not as published is removed."""
    problems = []
    part = target.with_name(f".{target.name}.part")
    for address in wanted.places:
        try:
            _download(wanted, address, part, secret, progress)
        except (RemoteError, OSError) as problem:
            problems.append(f"{address}: {words_of(problem)}")
            continue
        try:
            fetched = first.compare(wanted, [address], _checked(wanted, part), again="Fetch it again later")
        except CurateError:
            part.unlink()
            raise
        os.replace(part, target)
        return replace(fetched, path=target)
    raise CurateError(
        f"{wanted.name} could not be fetched ({'; '.join(problems)}). {_RESUMES} Or give a folder that holds the file."
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _download(wanted: Wanted, address: str, part: Path, secret: dict[str, str] | None, progress: Progress) -> None:
    """Download the rest, again and again where the connection breaks, when the server says that it may."""
    if wanted.checksum is None:  # a part may be of another version, which no checksum would show
        part.unlink(missing_ok=True)
    tries = 0
    done = False
    while not done:
        before = _size(part)
        try:
            _append(wanted, address, part, secret, progress)
            done = True
        except RemoteError as problem:
            tries += 1
            if _size(part) > before:
                tries = 0
            if problem.status == 416:  # it became shorter, or the size of a whole part was unknown
                part.unlink(missing_ok=True)
            elif not problem.passing or tries == _TRIES:
                raise
            progress.waiting(partial(wait_after, problem, tries), f"cancelled. {_RESUMES}")


def _append(wanted: Wanted, address: str, part: Path, secret: dict[str, str] | None, progress: Progress) -> None:
    have = _size(part)
    if have and have == wanted.size:
        return
    with _opened(address, have, secret) as (start, length, pieces):
        total = length or wanted.size or 0
        if wanted.size is not None and total > wanted.size:
            raise RemoteError(f"{total} bytes would come, but {wanted.size} are expected")
        check_room(part.parent, total - start, f"The rest of {wanted.name}")
        with open(part, "ab" if start else "wb") as stream:
            for piece in pieces:
                stream.write(piece)
                progress.tell(stream.tell(), total, cancelled=f"cancelled. {_RESUMES}")
            flush(stream)


@contextmanager
def _opened(address: str, have: int, secret: dict[str, str] | None) -> Iterator[tuple[int, int, Iterator[bytes]]]:
    """Open a place after the first `have` bytes if possible; yield where its bytes start, the total, and the bytes."""
    if not is_http(address):
        with open_place(address) as stream:
            total = stream.seek(0, os.SEEK_END)
            start = stream.seek(min(have, total))
            yield start, total, iter(lambda: stream.read(PIECE), b"")
        return
    with open_http(address, {"Range": f"bytes={have}-"} if have else None, secret=secret) as answer:
        start = 0
        length = int(answer.headers.get("Content-Length") or 0)
        if answer.status_code == 206:
            start = have
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise RemoteError("the server sent another part than was requested")
        yield start, start + length, pieces_of(answer)


def _checked(wanted: Wanted, file: Path) -> Fetched:
    """Return the file when its size and checksum are right."""
    kind, _, published = (wanted.checksum or "sha256:").partition(":")
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    fetched = Fetched(path=file, sha256=sha256(file))
    size = file.stat().st_size
    wrong = []
    if wanted.size not in (None, size):
        wrong.append(f"{size} bytes, but {wanted.size} are expected")
    if published not in ("", digest):
        wrong.append(f"{kind} {digest}, but {published} is published")
    if wrong:
        raise CurateError(
            f"{file} has {' and '.join(wrong)}: it is damaged or another file. Remove it and run the command again, or "
            "give another folder."
        )
    if published:
        return fetched
    return replace(fetched, message=f"No checksum of {wanted.name} is published. Its sha256 here is {fetched.sha256}.")
