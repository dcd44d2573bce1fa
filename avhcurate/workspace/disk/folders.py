"""Folders with a record: datasets, and results of long work with a lock and a table that is written shard by shard."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import ValidationError

from avhcurate.errors import CurateError, Text, Unavailable
from avhcurate.workspace.disk.files import batched, replacing, write_json, write_parquet, write_tables
from avhcurate.workspace.disk.provenance import Provenance, StoredRecord, UnknownVersion, WorkRecord

#: What holds a folder while it is written, and stays in it.
LOCK_FILE = "lock"
#: Shards a row group of the finished table.
_SHARDS_A_GROUP = 64
_SECONDS = b"seconds"

Record = TypeVar("Record", bound=StoredRecord)
Work = TypeVar("Work", bound=WorkRecord)
Sharded = TypeVar("Sharded", bound=Provenance)


class RecordFolder(Generic[Record]):
    """A folder named after what it holds, with its record as JSON."""

    #: The record's file and type; what the folder is called in a message, and what makes it again.
    FILE: ClassVar[str]
    KIND: ClassVar[type[StoredRecord]]
    WHAT: ClassVar[str]
    AGAIN: ClassVar[str | Text]

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def record(self) -> Record:
        """Return the record on disk, taken up from an older version; one of an unknown version is refused."""
        path = self.root / self.FILE
        try:
            return self.KIND.model_validate_json(path.read_bytes())  # type: ignore[return-value]
        except UnknownVersion as problem:
            title = f"The record of {self.WHAT} {self.name!r}"
            raise UnknownVersion(title, problem.version, problem.readable) from problem
        except (OSError, ValidationError) as problem:
            raise CurateError(
                f"The record of {self.WHAT} {self.name!r} cannot be read ({path}).",
                fix=Text("To repair it, ", self.AGAIN),
            ) from problem

    def write_record(self, record: Record) -> None:
        write_json(self.root / self.FILE, record)


class ResultFolder(RecordFolder[Work]):
    """The folder of a result, `OWNER/HOME/NAME/` of a dataset or a run; it can be resumed until it is complete."""

    #: The folder that holds all results of the kind, and the file that is written before the record says "finished".
    HOME: ClassVar[str]
    TABLE: ClassVar[str] = ""

    @classmethod
    def of(cls, owner: RecordFolder[Any], name: str) -> Self:
        """Return the result of that name, there or not."""
        return cls(owner.root / cls.HOME / name)

    @classmethod
    def all_of(cls, owner: RecordFolder[Any], *, by: str = "started") -> list[Self]:
        """Return the results of a dataset or run, complete or not, oldest first by a field of the record.

        One whose record is damaged is left out, so that it hides no other; `avhcurate check` names it.
        """
        folders = {folder: folder.intact() for folder in cls.folders_of(owner)}
        intact = [folder for folder, record in folders.items() if record]
        return sorted(intact, key=lambda folder: getattr(folders[folder], by))

    @classmethod
    def newest(cls, dataset: RecordFolder[Any], fingerprint: str, locked_by: int) -> Self | None:
        """Return the newest complete result on this import of the dataset that knows no label which is locked."""
        fitting = [folder for folder in cls.all_of(dataset) if folder.is_of(fingerprint) and folder.complete]
        fitting = [folder for folder in fitting if not folder.record.knows(locked_by)]
        return fitting[-1] if fitting else None

    @classmethod
    def folders_of(cls, owner: RecordFolder[Any]) -> list[Self]:
        """Return the results of a dataset or run, also damaged ones, by name."""
        return [cls(path.parent) for path in sorted((owner.root / cls.HOME).glob(f"*/{cls.FILE}"))]

    @classmethod
    def named(cls, dataset: RecordFolder[Any], name: str) -> Self:
        folders = {folder.name: folder for folder in cls.folders_of(dataset)}
        if name not in folders:
            names = ", ".join(folders) or "none"
            raise CurateError(f"Dataset {dataset.name!r} has no {cls.WHAT} {name!r}. It has: {names}.")
        return folders[name]

    @property
    def begun(self) -> bool:
        """True when it can be resumed."""
        return (self.root / self.FILE).exists()

    @property
    def complete(self) -> bool:
        """True when its table and the record that says so are written."""
        return (self.root / self.TABLE).exists() and self.begun and self.record.finished is not None

    def intact(self) -> Work | None:
        """Return the record; None where there is none or it is damaged, which making it again reports."""
        try:
            return self.record
        except UnknownVersion:
            raise
        except CurateError:
            return None

    def is_of(self, fingerprint: str) -> bool:
        """Return whether it has a readable record of work on this import of the dataset."""
        return getattr(self.intact(), "dataset_fingerprint", None) == fingerprint

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder's lock while it is written; refused when another process has it.

        Temporary files of an attempt that was killed go first.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.root / LOCK_FILE, timeout=0):
                for leftover in self.root.glob(".*.tmp"):
                    leftover.unlink(missing_ok=True)
                yield
        except Timeout:
            raise Unavailable(
                f"Another process is writing {self.WHAT} {self.name}. Wait for it or cancel it."
            ) from None


class ShardedFolder(ResultFolder[Sharded]):
    """`scores.parquet` once it is complete, and until then `scores/shard-XXXXX.parquet`, each renamed into place."""

    TABLE = "scores.parquet"

    @property
    def scores_path(self) -> Path:
        return self.root / self.TABLE

    def write_shard(self, shard: int, scores: pa.Table, *, seconds: float) -> None:
        """Commits the rows of a shard's samples; `seconds` is what it took."""
        write_parquet(self._shard_path(shard), scores.replace_schema_metadata({_SECONDS: repr(seconds)}))

    def has_shard(self, shard: int) -> bool:
        return self._shard_path(shard).exists()

    def shard(self, shard: int) -> pa.Table:
        return pq.read_table(self._shard_path(shard)).replace_schema_metadata(None)

    def shard_seconds(self, shard: int) -> float:
        return float(pq.read_schema(self._shard_path(shard)).metadata[_SECONDS])

    def finish(self, shards: Iterable[pa.Table], changes: Mapping[str, Any]) -> None:
        """Complete it: the table from its `shards` in order of id, then the record with `changes`."""
        record = self.record.model_copy(update=dict(changes))
        groups = map(pa.concat_tables, batched(shards, _SHARDS_A_GROUP))
        with replacing(self.scores_path) as stream:
            self._check_rows(write_tables(stream, groups, compression="zstd"), record)
        self.write_record(record)
        shutil.rmtree(self.root / "scores", ignore_errors=True)

    def _check_rows(self, rows: int, record: Sharded) -> None:
        """Raise when the table cannot be whole."""

    def _shard_path(self, shard: int) -> Path:
        return self.root / "scores" / f"shard-{shard:05d}.parquet"


def spread(values: np.ndarray, usable: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Return the values of the usable rows in their places, null elsewhere and for NaN."""
    full = np.zeros(len(usable), kind.to_pandas_dtype())
    full[usable] = values
    return pa.array(full, kind, mask=~usable | np.isnan(full))
