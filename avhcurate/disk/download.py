"""Resumable, checksum-verified downloads."""

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from avhcurate.disk.files import flush, write_atomic
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.remote import RemoteError, RemoteFile, is_http, is_url, open_http, patiently, words_of
from avhcurate.disk.room import check_room
from avhcurate.errors import CurateError

_PIECE = 1 << 20
#: Times that a connection may break off without a byte having come.
_TRIES = 3
#: Bytes a second below which a server is given up, once it had so many seconds.
_SLOWEST, _DRIPPING_S = 1024, 60
#: Bytes that a file of unknown size leaves free on the disk.
_SPARE = 256 << 20


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
    """The file in `folder`, downloaded unless it is there already.

    A `mirror` (a folder or an address that holds a file of that name) is asked instead of the places. `secret`
    headers go to the places alone. Raises `CurateError` when no place has it or its checksum is another, `Cancelled`
    when stopped; the same call resumes. `progress` counts bytes, of 0 where the size is unknown. One process at a
    time downloads a file.
    """
    places = wanted.places if mirror is None else (f"{mirror.rstrip('/')}/{wanted.name}",)
    download = _Download(wanted, folder / wanted.name, secret if mirror is None else None, progress)
    if download.target.exists():
        return download.checked(download.target, str(download.target))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f".{wanted.name}.lock", timeout=0):
            if download.target.exists():  # another process was quicker
                return download.checked(download.target, str(download.target))
            return download.from_any(places)
    except Timeout:
        raise CurateError(f"{wanted.name} is being fetched to {folder} by another process: wait for it") from None


@dataclass(frozen=True)
class _Download:
    """One file on its way: what has come so far is in `part`; `tag` notes which version of which place that is."""

    wanted: Wanted
    target: Path
    secret: dict[str, str] | None
    progress: Progress

    @property
    def part(self) -> Path:
        return self.target.with_name(f".{self.target.name}.part")

    @property
    def tag(self) -> Path:
        return self.target.with_name(f".{self.target.name}.part.tag")

    @property
    def size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def from_any(self, places: Iterable[str]) -> Fetched:
        problems = []
        for place in places:
            try:
                self.finish(place)
            except (RemoteError, OSError) as problem:
                problems.append(f"{place}: {words_of(problem)}")
                continue
            fetched = self.checked(self.part, place)
            os.replace(self.part, self.target)
            self.tag.unlink(missing_ok=True)
            return fetched
        raise CurateError(
            f"{self.wanted.name} could not be fetched ({'; '.join(problems)}): the same command again resumes; "
            "or give a folder that holds the file"
        )

    def finish(self, place: str) -> None:
        """Downloads the rest, again and again where the connection breaks off."""
        tries = 0
        while True:
            before = self.size
            try:
                return self.append(place)
            except RemoteError as problem:
                tries = 0 if self.size > before else tries + 1
                if not problem.passing or tries >= _TRIES:
                    raise

    def append(self, place: str) -> None:
        """Downloads the rest over one connection."""
        have, (url, version) = self.size, self.read_tag()
        if url != place:  # another place's part may be another version
            have, version = 0, ""
        elif have and have == self.wanted.size:
            return
        with ExitStack() as opened:
            start, total, version, pieces = _open(place, have, version, self.secret, opened)
            expected = self.wanted.size
            if expected is not None and total > expected:
                raise RemoteError(f"{total} bytes would come, and {expected} are expected")
            total = total or expected or 0
            check_room(self.part.parent, total - start, f"the rest of {self.wanted.name}")
            if not start:  # before the tag: it must never be of another version than the part
                self.part.unlink(missing_ok=True)
            write_atomic(self.tag, f"{place}\n{version}")
            with open(self.part, "r+b" if self.part.exists() else "wb") as stream:
                stream.seek(start)
                stream.truncate()
                watch = _Watch(self.part.parent, total)
                for piece in pieces:
                    watch.check(start, stream.tell() + len(piece))
                    stream.write(piece)
                    self.progress.tell(stream.tell(), total, cancelled="cancelled; the same command again resumes")
                flush(stream)
        if total and self.size < total:
            raise RemoteError("the connection broke off", passing=True)

    def read_tag(self) -> tuple[str, str]:
        try:
            url, _, version = self.tag.read_text().partition("\n")
        except OSError:
            return "", ""
        return url, version

    def checked(self, file: Path, place: str) -> Fetched:
        """The file when its size and checksum are right; else a download of ours is removed, and any other file stays.

        Where no checksum is published, that of the first download is noted and compared with.
        """
        wanted, size = self.wanted, file.stat().st_size
        kind, _, published = (wanted.checksum or "sha256:").partition(":")
        digest, sha256 = _hashes(file, kind)
        noted = self.target.with_name(self.target.name + ".sha256")
        first = noted.read_text().strip() if not published and noted.exists() else ""
        wrong = []
        if wanted.size not in (None, size):
            wrong.append(f"{size} bytes, and {wanted.size} are expected")
        if published not in ("", digest):
            wrong.append(f"{kind} {digest}, and {published} is published")
        if first not in ("", sha256):
            wrong.append(f"sha256 {sha256}, and it was {first} when it was fetched first ({noted})")
        if wrong and file == self.target:
            raise CurateError(
                f"{file} has {' and '.join(wrong)}: it is damaged or another file; remove it and run the command "
                "again, or give another folder"
            )
        if wrong:
            file.unlink()
            self.tag.unlink(missing_ok=True)
            raise CurateError(
                f"{wanted.name} from {place} has {' and '.join(wrong)}: it is damaged or another file and was removed; "
                "run the command again, or fetch it from elsewhere"
            )
        if published:
            return Fetched(self.target, sha256)
        if not first:
            write_atomic(noted, sha256 + "\n")
        return Fetched(self.target, sha256, f"no checksum of {wanted.name} is published; its sha256 here is {sha256}")


class _Watch:
    """Ends a download that brings more than it should, fills the disk up, or drips on for days."""

    def __init__(self, folder: Path, total: int) -> None:
        self.folder, self.total, self.began = folder, total, time.monotonic()

    def check(self, start: int, end: int) -> None:
        """`end` bytes of the file are there with the piece that came, of which those from `start` on came now."""
        if self.total and end > self.total:
            raise RemoteError(f"more than the {self.total} bytes came that it should have")
        if not self.total:
            check_room(self.folder, _SPARE, "a file of unknown size")
        seconds = time.monotonic() - self.began
        if seconds > _DRIPPING_S and end - start < seconds * _SLOWEST:
            raise RemoteError(f"less than {_SLOWEST} bytes a second came for {seconds:.0f} s")


def _hashes(file: Path, kind: str) -> tuple[str, str]:
    digests = [hashlib.new(kind, usedforsecurity=False), hashlib.sha256()]
    with open(file, "rb") as stream:
        while piece := stream.read(_PIECE):
            for digest in digests:
                digest.update(piece)
    return digests[0].hexdigest(), digests[1].hexdigest()


def _open(
    place: str, have: int, version: str, secret: dict[str, str] | None, opened: ExitStack
) -> tuple[int, int, str, Iterator[bytes]]:
    """The position of the first byte to come, the size of the whole file, its version, and the bytes."""
    if not is_http(place):
        return _open_other(place, have, opened)
    headers = {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {}) if have else {}
    try:
        answer = opened.enter_context(patiently(lambda: open_http(place, headers, secret=secret)))
    except RemoteError as problem:
        if problem.status != 416 or not have:
            raise
        # It ends where the part does, or it became shorter: ask for all of it.
        answer = opened.enter_context(patiently(lambda: open_http(place, secret=secret)))
    version = answer.headers.get("ETag", "") or answer.headers.get("Last-Modified", "")
    version = "" if version.startswith("W/") else version
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    if answer.status == 206 and span and int(span[1]) == have:
        return have, int(span[2]) if span[2] != "*" else 0, version, _pieces_of(answer)
    if answer.status == 206:
        raise RemoteError("the server sent another part than was asked for")
    return 0, int(answer.headers.get("Content-Length") or 0), version, _pieces_of(answer)


def _open_other(place: str, have: int, opened: ExitStack) -> tuple[int, int, str, Iterator[bytes]]:
    """A file of this machine, or one that fsspec reads."""
    stream: Any = opened.enter_context(RemoteFile(place) if is_url(place) else open(place, "rb"))  # noqa: SIM115
    total = stream.seek(0, os.SEEK_END)
    start = have if have <= total else 0
    stream.seek(start)
    return start, total, "", iter(lambda: stream.read(_PIECE), b"")


def _pieces_of(answer: Any) -> Iterator[bytes]:
    try:
        while piece := answer.read1(_PIECE):
            yield piece
    except Exception as problem:  # whatever a socket or a half answer raises
        raise RemoteError(words_of(problem), passing=True) from problem
