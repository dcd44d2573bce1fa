"""Random access to members of tar files: indexed in one pass over the headers, then read by offset."""

import io
import tarfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.remote import RemoteError, is_url, open_place, read_url

BLOCK = tarfile.BLOCKSIZE
#: What one request to a server takes along with a header: most images whole.
_WITH_HEADER = 1 << 18


class Member(NamedTuple):
    """A regular file in a tar: its name, the byte where its last header begins, and its size in bytes."""

    name: str
    start: int
    size: int


class TarDamage(CurateError):
    """The rest of a tar cannot be read; the members before it can."""


def open_tar(address: str) -> IO[bytes]:
    """Return a seekable tar file of this machine or a URL; `CurateError` where it cannot be opened."""
    try:
        return open_place(address)
    except (RemoteError, OSError) as problem:
        raise CurateError(f"{address} cannot be read ({problem}).") from problem


def members(stream: IO[bytes], title: str) -> Iterator[Member]:
    """The regular files in order; `TarDamage` where the tar is damaged, `CurateError` when it cannot be read now."""
    try:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if stream.read(2) == b"\x1f\x8b":
            raise TarDamage(f"{title} is compressed. Unpack it with gunzip.")
        stream.seek(0)
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            yield from _members(tar, size)
            stream.seek(tar.offset)
        if stream.read(BLOCK).strip(b"\0"):
            raise TarDamage(f"{title} is damaged at byte {stream.tell() - BLOCK}")
    except (tarfile.TarError, ValueError, OverflowError) as problem:
        raise TarDamage(f"{title} cannot be read to its end ({problem})") from problem
    except (RemoteError, OSError) as problem:
        raise CurateError(f"{title} could not be read ({problem}). Import it again.") from problem


def _members(tar: tarfile.TarFile, size: int) -> Iterator[Member]:
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header
        if info.isreg() and not info.issparse():
            if info.offset_data + info.size > size:
                raise tarfile.ReadError("it is cut off")
            yield Member(info.name, info.offset_data - BLOCK, info.size)


def read_member(file: IO[bytes], start: int, limit: int) -> bytes:
    """Return the bytes of the member whose header begins at `start`; `ValueError` when there is none any more."""
    file.seek(start)
    size = _size(file.read(BLOCK), limit)
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the tar is cut off")
    return data


def read_remote_member(url: str, start: int, limit: int) -> bytes:
    """Return the same behind an address, mostly by one request."""
    data = read_url(url, start=start, size=BLOCK + _WITH_HEADER, most=limit)
    size = _size(data[:BLOCK], limit)
    if size > len(data) - BLOCK:
        have = len(data)
        data += read_url(url, start=start + have, size=BLOCK + size - have, most=limit)
    if len(data) < BLOCK + size:
        raise ValueError("the tar is cut off")
    return data[BLOCK : BLOCK + size]


def _size(header: bytes, limit: int) -> int:
    try:
        size = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape").size
    except tarfile.HeaderError as problem:
        raise ValueError("the tar has changed: import it again") from problem
    if size > limit:
        raise ValueError(f"a member of {size >> 20} MiB, at most {limit >> 20} are read")
    return size


def is_tar(address: str) -> bool:
    """Return whether a path or address is called so.

    >>> is_tar("/data/train-000.tar"), is_tar("https://x.org/a.tar?token=1"), is_tar("/data/a.parquet")
    (True, True, False)
    """
    if is_url(address):
        address = address.partition("?")[0]
    return address.casefold().endswith(".tar")
