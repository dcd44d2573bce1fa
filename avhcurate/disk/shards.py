"""Folders of long work: a record, a lock, and a table that is written shard by shard."""

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from avhcurate.disk.files import flush, temporary_name, write_json, write_parquet
from avhcurate.disk.provenance import Provenance
from avhcurate.errors import CurateError

#: Shards a row group of the finished table.
_SHARDS_A_GROUP = 64
_SECONDS = b"seconds"

Record = TypeVar("Record", bound=BaseModel)
Sharded = TypeVar("Sharded", bound=Provenance)


class RecordFolder(Generic[Record]):
    """A folder named after what it holds, with its record as JSON."""

    #: The record's file and type; what the folder is called in a message, and what makes it again.
    FILE: ClassVar[str]
    KIND: ClassVar[type[BaseModel]]
    WHAT: ClassVar[str]
    AGAIN: ClassVar[str]

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def record(self) -> Record:
        """The record as it is on disk now."""
        path = self.root / self.FILE
        try:
            return self.KIND.model_validate_json(path.read_bytes())  # type: ignore[return-value]
        except (OSError, ValidationError) as problem:
            raise CurateError(
                f"the record of {self.WHAT} {self.name!r} cannot be read ({path}): remove the folder and {self.AGAIN}"
            ) from problem

    @property
    def begun(self) -> bool:
        """True when it can be resumed."""
        return (self.root / self.FILE).exists()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the folder's lock while it is written; refused when another process has it."""
        try:
            with self.lock():
                yield
        except Timeout:
            raise CurateError(
                f"{self.WHAT} {self.name} is being written by another process: wait for it or cancel it"
            ) from None

    def lock(self) -> FileLock:
        """Held by whoever writes the folder; does not wait."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "lock", timeout=0)

    def write_record(self, record: Record) -> None:
        """Replaces the record, whole or not at all."""
        write_json(self.root / self.FILE, record)


class ShardedFolder(RecordFolder[Sharded]):
    """`scores.parquet` once it is complete, and until then `scores/shard-XXXXX.parquet`, each renamed into place."""

    @property
    def scores_path(self) -> Path:
        """The finished table."""
        return self.root / "scores.parquet"

    @property
    def complete(self) -> bool:
        """True when every sample is scored and the table is written."""
        return self.scores_path.exists() and self.begun and self.record.finished is not None

    def write_shard(self, shard: int, scores: pa.Table, *, seconds: float) -> None:
        """Commits the rows of a shard's samples; `seconds` is what it took."""
        write_parquet(self._shard_path(shard), scores.replace_schema_metadata({_SECONDS: repr(seconds)}))

    def has_shard(self, shard: int) -> bool:
        """Whether a shard is committed."""
        return self._shard_path(shard).exists()

    def shard(self, shard: int) -> pa.Table:
        """The rows of a committed shard."""
        return pq.read_table(self._shard_path(shard)).replace_schema_metadata(None)

    def shard_seconds(self, shard: int) -> float:
        """What a committed shard took."""
        return float(pq.read_schema(self._shard_path(shard)).metadata[_SECONDS])

    def finish(self, shards: Iterable[pa.Table], changes: Mapping[str, Any]) -> None:
        """Completes it: the table from its `shards` in order of id, then the record with `changes`."""
        record = self.record.model_copy(update=dict(changes))
        temporary = temporary_name(self.scores_path)
        try:
            with open(temporary, "wb") as stream:
                self._check_rows(_write_groups(stream, shards), record)
                flush(stream)
            os.replace(temporary, self.scores_path)
        finally:
            temporary.unlink(missing_ok=True)
        self.write_record(record)
        shutil.rmtree(self.root / "scores", ignore_errors=True)
        for leftover in self.root.glob(".*.tmp"):  # of an attempt that was killed
            leftover.unlink(missing_ok=True)

    def _check_rows(self, rows: int, record: Sharded) -> None:
        """Raises when the table cannot be whole."""

    def _shard_path(self, shard: int) -> Path:
        return self.root / "scores" / f"shard-{shard:05d}.parquet"


def spread(values: np.ndarray, usable: np.ndarray, kind: pa.DataType) -> pa.Array:
    """The values of the usable rows in their places, null elsewhere and for NaN."""
    full = np.zeros(len(usable), kind.to_pandas_dtype())
    full[usable] = values
    return pa.array(full, kind, mask=~usable | np.isnan(full))


def _write_groups(stream: BinaryIO, shards: Iterable[pa.Table]) -> int:
    """Writes the shards as one Parquet file, many to a row group; the number of rows."""
    writer: pq.ParquetWriter | None = None
    rows, remaining = 0, iter(shards)
    while group := list(itertools.islice(remaining, _SHARDS_A_GROUP)):
        table = pa.concat_tables(group)
        writer = writer or pq.ParquetWriter(stream, table.schema, compression="zstd")
        writer.write_table(table)
        rows += len(table)
    if writer is not None:
        writer.close()
    return rows
