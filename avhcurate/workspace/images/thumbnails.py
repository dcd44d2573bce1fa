"""Thumbnails of a dataset: files of 1024 ids, read by position."""

import os
import zlib
from collections.abc import Mapping
from io import RawIOBase
from pathlib import Path

import numpy as np

from avhcurate.workspace.disk.files import write_atomic

#: ids a file
SHARD = 1024

_MAGIC = b"AVHTHUMB"
_ENTRY = np.dtype([("start", "<u8"), ("length", "<u4"), ("checksum", "<u4")])
_BODY = len(_MAGIC) + SHARD * _ENTRY.itemsize


class ThumbnailStore:
    """A folder of thumbnail files; the thumbnail of `id` is in file `id // 1024`.

    A file is: eight bytes of magic, 1024 entries (start, length, CRC-32), the encoded images. It is renamed into
    place whole, so that a reader in another process sees the old file or the new one.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def get(self, id: int) -> bytes | None:
        """Return the encoded thumbnail; None when it is absent or its file damaged."""
        shard, position = divmod(id, SHARD)
        try:
            with open(self._path(shard), "rb", buffering=0) as stream:
                return _read(stream, position)
        except OSError:
            return None

    def has_shard(self, shard: int) -> bool:
        """True when a file for ids shard*1024 to shard*1024+1023 exists, be it with fewer thumbnails."""
        return self._path(shard).exists()

    def ids(self, shard: int) -> list[int]:
        """Return the ids that have a thumbnail in this file, ascending."""
        index = self._index(shard)
        if index is None:
            return []
        return (np.flatnonzero(index["length"]) + shard * SHARD).tolist()

    def write_shard(self, shard: int, thumbnails: Mapping[int, bytes]) -> None:
        """Write the thumbnails of one file; those that it already holds under other ids stay."""
        kept = {id: data for id in self.ids(shard) if id not in thumbnails and (data := self.get(id)) is not None}
        entries = np.zeros(SHARD, _ENTRY)
        bodies, start = [], _BODY
        for id, data in sorted({**kept, **thumbnails}.items()):
            if id // SHARD != shard:
                raise ValueError(f"id {id} does not belong to shard {shard}")
            entries[id % SHARD] = (start, len(data), zlib.crc32(data))
            bodies.append(data)
            start += len(data)
        write_atomic(self._path(shard), b"".join([_MAGIC, entries.tobytes(), *bodies]))

    def _index(self, shard: int) -> np.ndarray | None:
        try:
            with open(self._path(shard), "rb") as stream:
                head = stream.read(_BODY)
        except OSError:
            return None
        if len(head) != _BODY or not head.startswith(_MAGIC):
            return None
        return np.frombuffer(head, _ENTRY, offset=len(_MAGIC))

    def _path(self, shard: int) -> Path:
        return self.folder / f"{shard:06d}.thumbs"


def _read(stream: RawIOBase, position: int) -> bytes | None:
    """Return one thumbnail of an open file, or None where the file does not hold what its entry says."""
    if stream.read(len(_MAGIC)) != _MAGIC:
        return None
    stream.seek(len(_MAGIC) + position * _ENTRY.itemsize)
    entry = stream.read(_ENTRY.itemsize) or b""
    if len(entry) != _ENTRY.itemsize:
        return None
    start, length, checksum = np.frombuffer(entry, _ENTRY)[0].tolist()
    # A damaged entry may claim any length: never allocate more than the file holds.
    if not length or start + length > stream.seek(0, os.SEEK_END):
        return None
    stream.seek(start)
    data = stream.read(length) or b""
    if zlib.crc32(data) != checksum:
        return None
    return data
