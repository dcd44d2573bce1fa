"""Files of others, fetched whole: resumed where they broke off, and checked before anything opens them."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from avhcurate.errors import CurateError
from avhcurate.storage.files import flush, write_atomic
from avhcurate.storage.jobs import SILENT, Progress
from avhcurate.storage.remote import RemoteError, RemoteFile, is_http, is_url, open_http, patiently, words_of

_PIECE = 1 << 20
#: Times that a connection may break off without a byte having come.
_TRIES = 3


@dataclass(frozen=True)
class Wanted:
    """A file to be fetched: its `name`, and the places that have it, in order.

    `checksum` is `md5:HEX` or `sha256:HEX` as published, None where none is; `size` in bytes, where it is known.
    `optional`: whoever wants it can do without.
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
    """The file in `folder`, fetched unless it is there whole already.

    A `mirror` (a folder or an address that holds a file of that name) is asked instead of the places. `secret`
    headers go to the places alone. Raises `CurateError` when no place has it or its checksum is another, `Cancelled`
    when stopped; what came until then is kept and gone on with. `progress` counts bytes, of 0 where the size is
    unknown. One process at a time fetches a file.
    """
    target = folder / wanted.name
    if target.exists():
        return _checked(wanted, target, target, str(target))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(target.with_name(f".{target.name}.lock"), timeout=0):
            if target.exists():  # another process was quicker
                return _checked(wanted, target, target, str(target))
            return _fetch_from_any(wanted, target, mirror, secret, progress)
    except Timeout:
        raise CurateError(f"{wanted.name} is being fetched to {folder} by another process: wait for it") from None


def _fetch_from_any(
    wanted: Wanted,
    target: Path,
    mirror: str | None,
    secret: dict[str, str] | None,
    progress: Progress,
) -> Fetched:
    """The file from the first place that has it."""
    part = target.with_name(f".{target.name}.part")
    problems = []
    for place in _places(wanted, mirror):
        try:
            _fetch(place, part, wanted, secret if mirror is None else None, progress)
        except (RemoteError, OSError) as problem:
            problems.append(f"{place}: {words_of(problem)}")
            continue
        fetched = _checked(wanted, part, target, place)
        os.replace(part, target)
        _tag(part).unlink(missing_ok=True)
        return fetched
    raise CurateError(
        f"{wanted.name} could not be fetched ({'; '.join(problems)}): the same command again goes on where it broke "
        "off; or give a folder that holds the file"
    )


def _places(wanted: Wanted, mirror: str | None) -> list[str]:
    if mirror is None:
        return list(wanted.places)
    return [f"{mirror.rstrip('/')}/{wanted.name}"]


def _tag(part: Path) -> Path:
    """Where it is noted which version of which place a part comes from."""
    return part.with_name(part.name + ".tag")


def _checked(wanted: Wanted, file: Path, target: Path, place: str) -> Fetched:
    """The file when its size and checksum are right, else it is removed; the first checksum is noted where none is."""
    size = file.stat().st_size
    kind, _, published = (wanted.checksum or "sha256:").partition(":")
    found, sha256 = _hashes(file, kind)
    seen = target.with_name(target.name + ".sha256")
    known = seen.read_text().strip() if not published and seen.exists() else ""
    wrong = [
        *([f"{size} bytes, and {wanted.size} are expected"] if wanted.size not in (None, size) else []),
        *([f"{kind} {found}, and {published} is published"] if published not in ("", found) else []),
        *(
            [f"sha256 {sha256}, and it was {known} when it was fetched first ({seen})"]
            if known not in ("", sha256)
            else []
        ),
    ]
    if wrong:
        file.unlink()
        _tag(file).unlink(missing_ok=True)
        raise CurateError(
            f"{wanted.name} from {place} has {' and '.join(wrong)}: it is damaged or another file and was removed; "
            "run the command again, or fetch it from elsewhere"
        )
    if published:
        return Fetched(target, sha256)
    if not known:
        write_atomic(seen, sha256 + "\n")
    return Fetched(target, sha256, f"no checksum of {wanted.name} is published; its sha256 here is {sha256}")


def _hashes(file: Path, kind: str) -> tuple[str, str]:
    """The hash of the kind, and SHA-256."""
    digests = [hashlib.new(kind, usedforsecurity=False), hashlib.sha256()]
    with open(file, "rb") as stream:
        while piece := stream.read(_PIECE):
            for digest in digests:
                digest.update(piece)
    return digests[0].hexdigest(), digests[1].hexdigest()


def _fetch(
    place: str,
    part: Path,
    wanted: Wanted,
    secret: dict[str, str] | None,
    progress: Progress,
) -> None:
    """Brings the part to its end, going on where a connection broke off."""
    tries = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _append(place, part, wanted, secret, progress)
            return
        except RemoteError as problem:
            after = part.stat().st_size if part.exists() else 0
            tries = 0 if after > before else tries + 1
            if not problem.passing or tries >= _TRIES:
                raise


def _append(
    place: str,
    part: Path,
    wanted: Wanted,
    secret: dict[str, str] | None,
    progress: Progress,
) -> None:
    have = part.stat().st_size if part.exists() else 0
    url, version = _read_tag(part)
    if url != place:  # another place's part may be another version
        have, version = 0, ""
    elif have and have == wanted.size:
        return
    with ExitStack() as opened:
        start, total, version, pieces = _open(place, have, version, secret, opened)
        total = total or wanted.size or 0
        _check_room(part, total - start)
        write_atomic(_tag(part), f"{place}\n{version}")
        with open(part, "r+b" if part.exists() else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            _copy(pieces, stream, start, total, progress)
            flush(stream)
    if total and part.stat().st_size < total:
        raise RemoteError("the connection broke off", passing=True)


def _copy(
    pieces: Iterator[bytes],
    stream: BinaryIO,
    done: int,
    total: int,
    progress: Progress,
) -> None:
    for piece in pieces:
        stream.write(piece)
        done += len(piece)
        progress.tell(done, total, cancelled="cancelled; the same command again goes on")


def _open(
    place: str, have: int, version: str, secret: dict[str, str] | None, opened: ExitStack
) -> tuple[int, int, str, Iterator[bytes]]:
    """Where the bytes begin that come, how many there are in all, their version, and the bytes."""
    if not is_http(place):
        return _open_other(place, have, opened)
    headers = {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {}) if have else {}
    try:
        answer = opened.enter_context(patiently(lambda: open_http(place, headers, secret=secret)))
    except RemoteError as problem:
        if problem.status != 416 or not have:
            raise
        # It ends where the part does, or it became shorter: the whole of it decides.
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


def _read_tag(part: Path) -> tuple[str, str]:
    try:
        url, _, version = _tag(part).read_text().partition("\n")
    except OSError:
        return "", ""
    return url, version


def _check_room(part: Path, more: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if more > free:
        raise CurateError(f"{more >> 20} MiB are to come and {part.parent} has room for {free >> 20}: make room")
