"""Fingerprints of tables and files: hashes that agree on every machine and are fast at a million rows."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BLOCK = 1 << 12
_BLOCKS = 64


def fingerprint_table(table: pa.Table, *evidence: str | bytes) -> str:
    """Hexadecimal SHA-256 of column names, values and nulls, and of further `evidence`; blind to chunks and widths.

    >>> table = pa.table({"a": [1, None], "b": ["x", "y"]})
    >>> fingerprint_table(table) == fingerprint_table(pa.concat_tables([table[:1], table[1:]]))
    True
    """
    digest = hashlib.sha256()
    for text in evidence:
        _update(digest, text.encode() if isinstance(text, str) else text)
    for name in table.column_names:
        _update(digest, name.encode())
        _hash_column(digest, table[name])
    return digest.hexdigest()


def fingerprint_file(path: Path) -> str:
    """Hash of a file's size, of its last block and of 64 blocks spread evenly over it.

    A Parquet file ends in its index of sizes and statistics, so a change nearly always shows, without reading it all.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        digest.update(size.to_bytes(8, "little"))
        for start in np.linspace(0, max(0, size - _BLOCK), _BLOCKS, dtype=np.int64).tolist():
            stream.seek(start)
            digest.update(stream.read(_BLOCK))
        stream.seek(max(0, size - 16 * _BLOCK))
        digest.update(stream.read())
    return digest.hexdigest()


def _update(digest: Any, data: bytes | np.ndarray) -> None:
    """Feed length and content, so that no two sequences of values give the same bytes."""
    content = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.ascontiguousarray(data)
    digest.update(content.nbytes.to_bytes(8, "little"))
    digest.update(content)


def _hash_column(digest: Any, column: pa.ChunkedArray) -> None:
    kind = column.type
    if pa.types.is_dictionary(kind):
        _hash_column(digest, column.cast(kind.value_type))
        return
    _update(digest, np.packbits(column.is_valid().to_numpy()))
    if pa.types.is_integer(kind):
        _update(digest, column.cast(pa.int64(), safe=False).fill_null(0).to_numpy().astype("<i8", copy=False))
    elif pa.types.is_floating(kind):
        _update(digest, column.cast(pa.float64()).fill_null(0).to_numpy().astype("<f8", copy=False))
    elif pa.types.is_boolean(kind):
        _update(digest, np.packbits(column.fill_null(False).to_numpy()))
    else:
        text = column.cast(pa.large_string()).fill_null("")
        _update(digest, pc.binary_length(text).to_numpy().astype("<i8", copy=False))
        for chunk in text.chunks:
            offsets = np.frombuffer(chunk.buffers()[1], "<i8")[chunk.offset : chunk.offset + len(chunk) + 1]
            if len(chunk) and offsets[-1] > offsets[0]:
                digest.update(chunk.buffers()[2][int(offsets[0]) : int(offsets[-1])])
