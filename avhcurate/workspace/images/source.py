"""Encoded images of a dataset by id, from files, archives or addresses, within bounded memory."""

import os
import stat
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import find_bytes_column
from avhcurate.workspace.disk.parquet_pages import chunks_of, pages_of
from avhcurate.workspace.disk.remote import RemoteError, is_url, read_url, words_of
from avhcurate.workspace.disk.tars import is_tar, open_tar, read_member, read_remote_member
from avhcurate.workspace.images.decoding import MEMORY_VARIABLE, BrokenImage, image_memory

if TYPE_CHECKING:
    import pandas as pd

#: Encoded images above this size are not read at all.
MAX_BYTES = 512 << 20

#: Rows read from Parquet at once hold about this much, unless one row alone is larger.
_CHUNK_BYTES = 32 << 20
#: Shares of the memory of images for a page of a Parquet column, which is decompressed whole and copied where it holds
#: one image alone, and for an image in it, which is copied once more.
_PAGE_SHARE = 0.25
_VALUE_SHARE = 0.125
#: Cache of `read_one`: bytes of images and open Parquet files.
_KEPT_BYTES = 128 << 20
_KEPT_FILES = 8
#: The largest image read from a URL; how many are downloaded at once, and how many ahead of the reader.
MAX_REMOTE_BYTES = 64 << 20
_ASKED = 16
_AHEAD = 32


class ImageSource:
    """Encoded images by id. Safe to use from several threads.

    `places` has a row a sample in order of id: `_file` (absolute path or URL of the image, or of the Parquet or tar
    file that holds it) and `_row` (row in that Parquet file, byte where its header begins in that tar, else null). The
    first row is of id `first`. `image_column` names the column that holds the bytes; where it is None, the only
    candidate is taken.
    """

    def __init__(self, places: "pa.Table | pd.DataFrame", *, image_column: str | None = None, first: int = 0) -> None:
        if not isinstance(places, pa.Table):
            places = pa.Table.from_pandas(places[["_file", "_row"]])
        self._files = places["_file"]
        self._rows = places["_row"].fill_null(-1).to_numpy().astype(np.int64)
        self._image_column = image_column
        self._first = first
        self._lock = threading.Lock()
        self._open = lru_cache(_KEPT_FILES)(lambda file: _ParquetImages(file, image_column))
        self._chunks: OrderedDict[tuple[str, int], _Chunk] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, ids: Iterable[int]) -> Iterator[bytes | BrokenImage]:
        """Return the bytes of each id in turn, or why there are none.

        Ascending ids stream through each Parquet row group once; only groups that hold a wanted row are read, and of
        them only the images. Tar files are sought in. Of images on servers, some are asked for ahead.
        """
        readers: dict[str, Callable[[int], bytes]] = {}  # of the file at hand
        with ExitStack() as opened, closing(self._places(ids)) as places:
            for file, row, remote in places:
                try:
                    if remote is not None:
                        yield remote.result()
                    elif row < 0:
                        yield read_file(file)
                    else:
                        if file not in readers:
                            opened.close()
                            readers = {file: self._reader(file, opened)}
                        yield readers[file](row)
                except BrokenImage as problem:
                    yield problem

    def _places(self, ids: Iterable[int]) -> Generator[tuple[str, int, Future[bytes] | None], None, None]:
        """Yield file and row of each id, and the pending download of an image on a server."""
        pool = ThreadPoolExecutor(_ASKED, "avhcurate-fetch")

        def asked(id: int) -> tuple[str, int, Future[bytes] | None]:
            file, row = self._place(int(id))
            return file, row, pool.submit(read_file, file) if is_url(file) and row < 0 else None

        remaining = map(asked, ids)
        waiting = deque(islice(remaining, _AHEAD))
        try:
            while waiting:
                yield waiting.popleft()
                waiting.extend(islice(remaining, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _reader(self, file: str, opened: ExitStack) -> Callable[[int], bytes]:
        """Return a reader of one file: of rows forward, or of members of a tar by the offset of their headers."""
        if not is_tar(file):
            return _ParquetImages(file, self._image_column).get
        try:
            stream = opened.enter_context(open_tar(file))
        except CurateError as problem:
            raise BrokenImage(str(problem)) from problem
        return lambda start: _member(file, start, stream)

    def read_one(self, id: int) -> bytes:
        """Return the bytes of one image; its neighbours in a Parquet file are cached."""
        file, row = self._place(id)
        if row < 0:
            return read_file(file)
        if is_tar(file):
            return _member(file, row)
        with self._lock:
            return self._kept_chunk(file, row).get(row)

    def local_file(self, id: int) -> Path | None:
        """Return the image's own file on this machine; None for an image on the web or within another file."""
        file, row = self._place(id)
        if row >= 0 or is_url(file):
            return None
        return Path(file)

    def _place(self, id: int) -> tuple[str, int]:
        position = id - self._first
        if not 0 <= position < len(self._rows):
            raise IndexError(f"id {id} is not in {self._first}..{self._first + len(self._rows) - 1}")
        return self._files[position].as_py(), int(self._rows[position])

    def _kept_chunk(self, file: str, row: int) -> "_Chunk":
        for key, chunk in self._chunks.items():
            if key[0] == file and row in chunk:
                self._chunks.move_to_end(key)
                return chunk
        chunk = next(chunk for chunk in self._open(file).chunks(row) if row in chunk)
        self._chunks[file, chunk.start] = chunk
        while len(self._chunks) > 1 and sum(cached.images.nbytes for cached in self._chunks.values()) > _KEPT_BYTES:
            self._chunks.popitem(last=False)
        return chunk


class _Chunk(NamedTuple):
    """Neighbouring rows of a Parquet file: the row of the first, and the binary array."""

    start: int
    images: pa.Array

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and self.start <= row < self.start + len(self.images)

    def get(self, row: int) -> bytes:
        data = self.images[row - self.start].as_buffer()
        if data is None:
            raise BrokenImage("no bytes in the row")
        _check_share(data.size, "an image", _VALUE_SHARE)
        return data.to_pybytes()


def _check_share(size: int, title: str, share: float) -> None:
    limit = int(share * image_memory())
    if size > limit:
        raise BrokenImage(
            f"{title} of {size >> 20} MiB, in Parquet at most {limit >> 20} are read. Write smaller pages, or raise "
            f"{MEMORY_VARIABLE}"
        )


class _ParquetImages:
    def __init__(self, path: str, image_column: str | None) -> None:
        self.path = path
        self._broken: dict[int, str] = {}
        try:
            # A plain buffered stream: neither the whole row group in memory, nor a map that dies with the file.
            self._parquet = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
            self._column, self._leaf = find_bytes_column(self._parquet.schema_arrow, image_column)
        except Exception as problem:
            raise BrokenImage(f"{Path(path).name} cannot be read: {words_of(problem)}") from problem
        metadata = self._parquet.metadata
        rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])
        self._group = -1
        self._chunk = _Chunk(0, pa.array([], pa.binary()))
        self._ahead: Iterator[_Chunk] = iter(())

    def get(self, row: int) -> bytes:
        """Return a row of a file that is read forward; an earlier row starts its row group again."""
        group = self.group(row)
        if group != self._group or row < self._chunk.start:
            self._ahead = self.chunks(row)
            self._chunk = _Chunk(row, pa.array([], pa.binary()))
        while row not in self._chunk:
            self._group = -1  # until the chunk is read: an error now is the same error next time
            self._chunk = next(self._ahead)
        self._group = group
        return self._chunk.get(row)

    def group(self, row: int) -> int:
        if not 0 <= row < self._starts[-1]:
            raise BrokenImage(f"row {row} is no longer in {Path(self.path).name}")
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def chunks(self, row: int) -> Iterator[_Chunk]:
        """The row group that holds `row`, from its first row on, in pieces of bounded size; then `BrokenImage`."""
        group = self.group(row)
        if group in self._broken:
            raise BrokenImage(self._broken[group])
        start = int(self._starts[group])
        try:
            for batch in self._parquet.iter_batches(
                self._rows_at_once(group), row_groups=[group], columns=[self._leaf]
            ):
                images = batch.column(0)
                if self._leaf != self._column:
                    images = images.field("bytes")
                yield _Chunk(start, images)
                start += len(images)
        except (pa.ArrowException, OSError, ValueError) as problem:
            # Remembered, so that later rows of a damaged group do not read up to the damage again.
            self._broken[group] = f"{Path(self.path).name} is damaged: {words_of(problem)}"
            raise BrokenImage(self._broken[group]) from problem
        raise BrokenImage(f"{Path(self.path).name} holds fewer rows than it says")

    def _rows_at_once(self, group: int) -> int:
        """As many rows as hold about 32 MiB on average, fewer where some could hold much more."""
        rows = self._parquet.metadata.row_group(group).num_rows
        ((column, _),) = chunks_of(self._parquet, group, [self._leaf])
        with open(self.path, "rb") as stream:
            pages = pages_of(column, stream)
        _check_share(pages.largest, "a page", _PAGE_SHARE)
        wanted = rows * _CHUNK_BYTES // max(1, int(pages.sizes.sum()))
        return pages.rows_at_once(max(1, min(rows, wanted)), _CHUNK_BYTES)


def batches(
    ids: np.ndarray, encoded: Iterator[bytes | BrokenImage], *, size: int, most_bytes: int = 32 << 20
) -> Iterator[tuple[np.ndarray, list[bytes | BrokenImage]]]:
    """Return ids with their images from `encoded`: `size` at a time, fewer where they exceed `most_bytes`."""
    start = 0
    content = list[bytes | BrokenImage]()
    total = 0
    for stop, data in enumerate(islice(encoded, len(ids)), 1):
        content.append(data)
        if isinstance(data, bytes):
            total += len(data)
        if len(content) == size or total >= most_bytes or stop == len(ids):
            yield ids[start:stop], content
            start = stop
            content = []
            total = 0


def read_file(address: str) -> bytes:
    """Return the bytes of a file or URL; `BrokenImage` saying why when there are none."""
    try:
        if is_url(address):
            return read_url(address, most=MAX_REMOTE_BYTES)
        return _read_local(address)
    except BrokenImage:
        raise
    except Exception as problem:
        raise BrokenImage(f"cannot be read: {words_of(problem)}") from problem


def _member(file: str, start: int, stream: IO[bytes] | None = None) -> bytes:
    """Return a member of a tar, of an open one or by itself."""
    try:
        if stream is not None:
            return read_member(stream, start, MAX_BYTES)
        if is_url(file):
            return read_remote_member(file, start, MAX_REMOTE_BYTES)
        with open(file, "rb") as local:
            return read_member(local, start, MAX_BYTES)
    except (RemoteError, OSError, ValueError) as problem:
        raise BrokenImage(f"{Path(file).name}: {words_of(problem)}") from problem


def _read_local(path: str) -> bytes:
    # O_NONBLOCK: opening a named pipe would wait for ever.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise BrokenImage("not a regular file")
        if status.st_size > MAX_BYTES:
            raise BrokenImage(f"file of {status.st_size >> 20} MiB, at most {MAX_BYTES >> 20} are read")
        with open(file, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(file)
