"""Files that are whole or absent: written under a temporary name, flushed, renamed into place."""

import hashlib
import os
import uuid
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from avhcurate.errors import CurateError


def write_atomic(path: Path, content: bytes | str) -> None:
    """Replaces `path` by `content`; a crash at any moment leaves the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    with open(temporary, "wb") as stream:
        stream.write(data)
        flush(stream)
    os.replace(temporary, path)


def write_json(path: Path, record: BaseModel) -> None:
    """Writes a record as indented JSON, whole or not at all."""
    write_atomic(path, record.model_dump_json(indent=2) + "\n")


def write_parquet(path: Path, table: pa.Table | pd.DataFrame, *, row_group_size: int = 100_000) -> None:
    """Writes a table as zstd-compressed Parquet, whole or not at all."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    with open(temporary, "wb") as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=row_group_size)
        flush(stream)
    os.replace(temporary, path)


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
