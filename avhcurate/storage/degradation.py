"""What came of degrading a run's images: its record and scores, written shard by shard beside the run's own."""

import os
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from pydantic import BaseModel, ValidationError

from avhcurate.errors import CurateError
from avhcurate.storage.files import flush, temporary_name, write_json, write_parquet
from avhcurate.storage.runs import RunFolder

#: Samples a shard, each with all its degraded images: what a killed job loses at most.
SHARD = 64

#: Where they lie in the folder of a run.
FOLDER = "degradation"
_SECONDS = b"seconds"


class DegradationRecord(BaseModel):
    """What it was made of, `degradation.json`; `finished` and what follows are set when it is complete.

    `strengths`: of levels 1, 2, ... of each kind. `side`: pixels a side of the images that were degraded. `samples`
    counts images before degradation, `skipped` those of them that could not be read. `rate` is in degraded images a
    second.
    """

    name: str
    run: str
    model: str
    weights_sha256: str
    weights_source: str
    dataset_fingerprint: str
    preprocess: dict[str, Any]
    side: int
    strengths: dict[str, list[float]]
    seed: int
    precision: str
    device: str
    batch_size: int
    samples: int
    limit: int | None
    versions: dict[str, str]
    started: datetime
    finished: datetime | None = None
    seconds: float | None = None
    rate: float | None = None
    skipped: int = 0

    @property
    def steps(self) -> int:
        """Images made of each sample, itself included."""
        return 1 + sum(map(len, self.strengths.values()))


class DegradationFolder:
    """One folder in `RUN/degradation/`: `degradation.json`, and `scores.parquet` once it is complete.

    Until then `scores/shard-XXXXX.parquet`, each renamed into place when its samples are scored at every level.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"DegradationFolder({str(self.root)!r})"

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def record(self) -> DegradationRecord:
        """The record as it is on disk now."""
        path = self.root / "degradation.json"
        try:
            return DegradationRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as problem:
            raise CurateError(
                f"the record of degradation {self.name!r} cannot be read ({path}): remove its folder and run it again"
            ) from problem

    @property
    def begun(self) -> bool:
        """True when it can be resumed."""
        return (self.root / "degradation.json").exists()

    @property
    def complete(self) -> bool:
        """True when every sample is scored and the table is written."""
        return self.scores_path.exists() and self.begun and self.record.finished is not None

    @property
    def scores_path(self) -> Path:
        """A row a sample, kind and level: id, kind, level, predicted, a column a score, problem; there when complete.

        Level 0, of kind `none`, is the image itself. An image that could not be read has that row alone, with its
        `problem` and nulls.
        """
        return self.root / "scores.parquet"

    def lock(self) -> FileLock:
        """Held by whoever writes it; does not wait."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "lock", timeout=0)

    def create(self, record: DegradationRecord) -> None:
        """Begins it."""
        write_json(self.root / "degradation.json", record)

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

    def finish(self, shards: Iterable[pa.Table], changes: dict[str, Any]) -> None:
        """Completes it: the table from its `shards` in order of id, then the record with `changes`."""
        record = self.record.model_copy(update=changes)
        temporary = temporary_name(self.scores_path)
        try:
            with open(temporary, "wb") as stream:
                writer: pq.ParquetWriter | None = None
                for table in shards:
                    writer = writer or pq.ParquetWriter(stream, table.schema, compression="zstd")
                    writer.write_table(table)
                if writer is not None:
                    writer.close()
                flush(stream)
            os.replace(temporary, self.scores_path)
        finally:
            temporary.unlink(missing_ok=True)
        write_json(self.root / "degradation.json", record)
        shutil.rmtree(self.root / "scores", ignore_errors=True)
        for leftover in self.root.glob(".*.tmp"):  # of an attempt that was killed
            leftover.unlink(missing_ok=True)

    def _shard_path(self, shard: int) -> Path:
        return self.root / "scores" / f"shard-{shard:05d}.parquet"


def degradations(run: RunFolder) -> list[DegradationFolder]:
    """The degradations of a run, complete or not, oldest first."""
    found = [DegradationFolder(path.parent) for path in (run.root / FOLDER).glob("*/degradation.json")]
    return sorted(found, key=lambda folder: (folder.record.started, folder.name))
