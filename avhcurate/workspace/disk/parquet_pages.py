"""How many rows of a Parquet column may be read at once, told by its page headers before anything is decompressed.

What the footer says of a column may be far from what a reader will allocate: a dictionary, or a shared prefix, makes
many large values of few bytes. But a page is decompressed whole, and no value is larger than the page that holds it.
"""

import math
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow.parquet as pq

#: Kinds of fields in thrift's compact protocol: whole numbers, texts, structs, and the bytes that truths, a byte and a
#: double take.
_WHOLE = (4, 5, 6)
_BINARY = 8
_STRUCT = 12
_BYTES_OF = {1: 0, 2: 0, 3: 1, 7: 8}
_DEEPEST = 8

#: Fields of a PageHeader, by the way to them.
_KIND = (1,)
_UNCOMPRESSED = (2,)
_COMPRESSED = (3,)
_VALUES = (5, 1)
_ENCODING = (5, 2)
_VALUES_2 = (8, 1)
_ENCODING_2 = (8, 4)
_DICTIONARY_PAGE = 2

#: Encodings whose values together take no more than their page: plain, and with lengths apart.
_PLAIN = (0, 6)

_MOST_PAGES = 1_000_000

#: Bytes of a value by its kind, and those that tell where it lies in a list.
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_LEVELS = 4


class Pages(NamedTuple):
    """The data pages of a column chunk: `values` in each, its bytes, and the largest that one value may be (0: plain).

    `largest` is of the bytes of all pages, the dictionary's too. `fixed`: every value takes `each`.
    """

    values: np.ndarray
    sizes: np.ndarray
    each: np.ndarray
    largest: int
    fixed: bool = False

    def bytes_of(self, rows: int) -> int:
        """Return the most that so many consecutive rows may take."""
        sizes = np.where(self.each > 0, np.minimum(self.values, rows) * self.each, self.sizes)
        before = np.concatenate([[0], np.cumsum(sizes)])
        ends = np.cumsum(self.values)
        # From the last row of each page: that is where rows lie in the most pages.
        last = np.searchsorted(ends, np.minimum(ends - 1 + rows, ends[-1:]), side="left")
        return int((before[last + 1] - before[:-1]).max(initial=0))

    def rows_at_once(self, wanted: int, limit: int) -> int:
        """At most `wanted` rows, so few that they take no more than `limit` bytes, or than two pages."""
        limit = max(limit, 2 * self.largest)
        while wanted > 1 and self.bytes_of(wanted) > limit:
            wanted //= 2
        return wanted


class Leaf(NamedTuple):
    """The pages of one column of numbers or texts in a row group, and how many values its rows have on average."""

    pages: Pages
    values_a_row: float

    @property
    def least_bytes(self) -> int:
        """What all rows take, dictionaries of texts not repeated."""
        pages = self.pages
        return int(np.maximum(pages.sizes, np.where(pages.fixed, pages.values * pages.each, 0)).sum())

    def bytes_of(self, rows: int) -> int:
        """Return the most that so many consecutive rows may take, where lists are of one length."""
        return self.pages.bytes_of(math.ceil(rows * self.values_a_row))


def leaves_of(file: pq.ParquetFile, group: int, stream: BinaryIO, wanted: Sequence[str]) -> Iterator[Leaf]:
    """Yield the columns of a row group that have these names or lie below them."""
    rows = file.metadata.row_group(group).num_rows
    for column, length in chunks_of(file, group, wanted):
        pages = pages_of(column, stream)
        width = _WIDTHS.get(column.physical_type, 0) or max(0, length)
        if column.physical_type != "BYTE_ARRAY":
            pages = pages._replace(each=np.full_like(pages.values, width + _LEVELS), fixed=True)
        yield Leaf(pages, max(1, int(pages.values.sum()) / max(1, rows)))


def chunks_of(file: pq.ParquetFile, group: int, wanted: Sequence[str]) -> list[tuple[pq.ColumnChunkMetaData, int]]:
    """Return what the footer says of columns that have these names or lie below them, with the length of a value.

    Where it contradicts itself, pyarrow would end the process: so the columns are opened first, which raises an error,
    and none of their rows is read.
    """
    paths = [f"{file.schema.column(column).path}." for column in range(len(file.schema))]
    columns = [column for column, path in enumerate(paths) if any(path.startswith(f"{name}.") for name in wanted)]
    if columns:
        list(file.reader.iter_batches(0, [group], column_indices=columns, use_threads=False))
    rows = file.metadata.row_group(group)
    return [(rows.column(column), file.schema.column(column).length) for column in columns]


def pages_of(column: pq.ColumnChunkMetaData, stream: BinaryIO) -> Pages:
    start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
    return read_pages(stream, start, column.total_compressed_size)


def read_pages(stream: BinaryIO, start: int, length: int) -> Pages:
    """Return the pages of the column chunk at `start`, `length` bytes long. Raises ValueError where these are none."""
    pages: list[tuple[int, int, int]] = []
    dictionary = largest = 0
    end = start + length
    while start < end:
        stream.seek(start)
        header = _fields(stream)
        size = header.get(_UNCOMPRESSED, -1)
        compressed = header.get(_COMPRESSED, -1)
        if size < 0 or compressed < 0 or len(pages) == _MOST_PAGES:
            raise ValueError("its pages are damaged")
        largest = max(largest, size, compressed)
        if header.get(_KIND) == _DICTIONARY_PAGE:
            dictionary = max(dictionary, size)
        else:
            values = header.get(_VALUES, header.get(_VALUES_2, 0))
            plain = header.get(_ENCODING, header.get(_ENCODING_2)) in _PLAIN
            pages.append((max(values, 0), max(size, compressed), 0 if plain else max(dictionary, size)))
        start = stream.tell() + compressed
    counts, sizes, limits = np.array(pages, np.int64).reshape(-1, 3).T
    return Pages(counts, sizes, limits, largest)


def _fields(stream: BinaryIO, depth: int = 0) -> dict[tuple[int, ...], int]:
    """Return the whole numbers of a thrift struct in the compact protocol, by the fields that lead to them."""
    numbers: dict[tuple[int, ...], int] = {}
    field = 0
    while byte := _byte(stream):
        delta = byte >> 4
        kind = byte & 0x0F
        field = field + delta if delta else _signed(_varint(stream))
        if kind in _WHOLE:
            numbers[field,] = _signed(_varint(stream))
        elif kind == _STRUCT and depth < _DEEPEST:
            numbers |= {(field, *way): number for way, number in _fields(stream, depth + 1).items()}
        elif kind == _BINARY:
            length = _varint(stream)
            stream.seek(length, 1)
        elif kind in _BYTES_OF:
            stream.seek(_BYTES_OF[kind], 1)
        else:  # a page header holds no lists
            raise ValueError("its pages are damaged")
    return numbers


def _byte(stream: BinaryIO) -> int:
    read = stream.read(1)
    if not read:
        raise ValueError("its pages are damaged")
    return read[0]


def _varint(stream: BinaryIO) -> int:
    value = 0
    for shift in range(0, 63, 7):
        byte = _byte(stream)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ValueError("its pages are damaged")


def _signed(number: int) -> int:
    """Zigzag: 0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return number >> 1 ^ -(number & 1)
