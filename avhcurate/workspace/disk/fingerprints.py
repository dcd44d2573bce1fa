"""Fingerprints of tables and files: hashes that agree on every machine and are fast for a million rows."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ENDS = 1 << 16


def fingerprint_table(table: pa.Table, *evidence: str | bytes) -> str:
    """Return a SHA-256 of column names, values and nulls, and of further `evidence`; chunks and widths do not matter.

    >>> table = pa.table({"a": [1, None], "b": ["x", "y"]})
    >>> fingerprint_table(table) == fingerprint_table(pa.concat_tables([table[:1], table[1:]]))
    True
    """
    digest = hashlib.sha256()
    for text in evidence:
        _update(digest, text)
    for name in table.column_names:
        _update(digest, name)
        _hash_column(digest, table[name])
    return digest.hexdigest()


def fingerprint_file(path: Path) -> str:
    """Return a hash of a file's size and of its beginning and end.

    A Parquet file ends in its index of sizes and statistics, so a change nearly always shows, without reading it all.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        _update(digest, stream.read(_ENDS))
        stream.seek(max(0, size - _ENDS))
        _update(digest, stream.read())
    _update(digest, str(size))
    return digest.hexdigest()


def _update(digest: Any, data: Any) -> None:
    """Feed length and content, so that different sequences of values give different bytes."""
    if isinstance(data, str):
        data = data.encode()
    content = memoryview(data).cast("B")
    digest.update(content.nbytes.to_bytes(8, "little"))
    digest.update(content)


def _hash_column(digest: Any, column: pa.ChunkedArray) -> None:
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    elif pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    _update(digest, np.packbits(column.is_valid().to_numpy()))
    text = column.cast(pa.large_string()).fill_null("")
    _update(digest, pc.binary_length(text).to_numpy())
    for chunk in text.chunks:
        offsets = np.frombuffer(chunk.buffers()[1], "<i8")[chunk.offset : chunk.offset + len(chunk) + 1]
        if len(chunk) and offsets[-1] > offsets[0]:
            digest.update(chunk.buffers()[2][int(offsets[0]) : int(offsets[-1])])
