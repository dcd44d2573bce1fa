"""Files that are whole or absent: written under a temporary name, flushed, renamed into place."""

import hashlib
import io
import itertools
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from avhcurate.errors import CurateError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces `path` at the end of the block; an error or a crash leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        with open(temporary, "wb") as stream:
            yield stream
            flush(stream)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Replaces `path` by `content`; a crash at any moment leaves the old file or the new one."""
    with replacing(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes an array as .npy, whole or not at all."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array))
    write_atomic(path, stream.getvalue())


def write_json(path: Path, record: BaseModel) -> None:
    """Writes a record as indented JSON, whole or not at all."""
    write_atomic(path, record.model_dump_json(indent=2) + "\n")


def write_parquet(path: Path, table: pa.Table | pd.DataFrame, *, row_group_size: int = 100_000) -> None:
    """Writes a table as zstd-compressed Parquet, whole or not at all."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    with replacing(path) as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=row_group_size)


def write_tables(stream: BinaryIO, tables: Iterable[pa.Table], *, compression: str) -> int:
    """Writes tables as one Parquet file, a row group each; the number of rows, 0 where there is no table."""
    remaining = iter(tables)
    first = next(remaining, None)
    if first is None:
        return 0
    rows = 0
    with pq.ParquetWriter(stream, first.schema, compression=compression) as writer:
        for table in itertools.chain([first], remaining):
            writer.write_table(table)
            rows += len(table)
    return rows


def check_free(path: Path, *, force: bool) -> None:
    """Refuses a place for a result where a link or a folder is, or without `force` a file."""
    if path.is_symlink():
        raise CurateError(f"{path} is a link: give a name of its own")
    if path.is_dir():
        raise CurateError(f"{path} is a folder: give the name of a file")
    if path.exists() and not force:
        raise CurateError(f"{path} exists: choose another name or give --force to replace it")


def temporary_name(path: Path) -> Path:
    """A name beside `path` that no other writer takes and no reader looks for."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def flush(stream: BinaryIO) -> None:
    """Forces what was written to the disk, so that a rename never precedes its content."""
    stream.flush()
    os.fsync(stream.fileno())


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
