"""Thumbnails of a dataset: files of 1024 ids, read by position."""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avhcurate.workspace.disk.files import remove_leftovers, write_atomic

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
                head = stream.read(len(_MAGIC))
                stream.seek(position * _ENTRY.itemsize, os.SEEK_CUR)
                start, length, checksum = np.frombuffer(stream.read(_ENTRY.itemsize), _ENTRY)[0].tolist()
                # A damaged entry may claim any length: never allocate more than the file holds.
                if head != _MAGIC or not length or start + length > stream.seek(0, os.SEEK_END):
                    return None
                stream.seek(start)
                data = stream.read(length)
        except (OSError, ValueError, IndexError):
            return None
        return data if zlib.crc32(data) == checksum else None

    def has_shard(self, shard: int) -> bool:
        """True when a file for ids shard*1024 to shard*1024+1023 exists, be it with fewer thumbnails."""
        return self._path(shard).exists()

    def write_shard(self, shard: int, thumbnails: Mapping[int, bytes]) -> None:
        entries = np.zeros(SHARD, _ENTRY)
        start = _BODY
        for id, data in thumbnails.items():
            entries[id - shard * SHARD] = (start, len(data), zlib.crc32(data))
            start += len(data)
        remove_leftovers(self.folder)
        write_atomic(self._path(shard), b"".join([_MAGIC, entries.tobytes(), *thumbnails.values()]))

    def _path(self, shard: int) -> Path:
        return self.folder / f"{shard:06d}.thumbs"
