"""One model run over a dataset: its record, features, class weights and scores, written shard by shard."""

import io
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from pydantic import BaseModel, ValidationError

from avhcurate.errors import CurateError
from avhcurate.storage.files import flush, temporary_name, write_atomic, write_json, write_parquet

#: Samples a shard: what a killed run loses at most.
SHARD = 1024

#: Shards a row group of the finished table.
_SHARDS_A_GROUP = 64
_SECONDS = b"seconds"


class RankAgreement(BaseModel):
    """How a run in reduced precision orders samples, against float32: on `samples` of the run, spread evenly.

    spearman: by score; `predicted`: share of samples with the same predicted class.
    """

    samples: int
    spearman: dict[str, float]
    predicted: float


class RunRecord(BaseModel):
    """What a run was made of, `run.json`; `finished` and what follows are set when it is complete.

    `limit`: None when all samples are scored. `classes` are names where they are known, in the order of the class
    weights. `skipped` counts the samples that could not be scored. `seconds` is the time of the pass over the images,
    the parts before a resume included; `rate` is in samples a second.
    """

    name: str
    model: str
    head: str
    weights_sha256: str
    weights_source: str
    preprocess: dict[str, Any]
    precision: str
    device: str
    batch_size: int
    classes: list[str]
    num_classes: int
    width: int
    dataset_fingerprint: str
    samples: int
    limit: int | None
    seed: int
    versions: dict[str, str]
    started: datetime
    finished: datetime | None = None
    seconds: float | None = None
    rate: float | None = None
    skipped: int = 0
    rank_agreement: RankAgreement | None = None


class RunFolder:
    """The folder of one run.

    Files: `run.json`, `class_weights.npy`, `bias.npy`, `features.npy`; `scores.parquet` once it is complete, and until
    then `scores/shard-XXXXX.parquet`. A shard's file is renamed into place after its rows of `features.npy` are on
    disk: where the file is, the shard is whole.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.root)!r})"

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def record(self) -> RunRecord:
        """The record as it is on disk now."""
        path = self.root / "run.json"
        try:
            return RunRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as problem:
            raise CurateError(
                f"the record of run {self.name!r} cannot be read ({path}): remove the folder and score again"
            ) from problem

    @property
    def begun(self) -> bool:
        """True when the run can be resumed."""
        return (self.root / "run.json").exists()

    @property
    def complete(self) -> bool:
        """True when every sample of the run is scored and the table is written."""
        return self.scores_path.exists() and self.begun and self.record.finished is not None

    @property
    def scores_path(self) -> Path:
        """A row a sample of the run by id: id, predicted, a column a score, problem; there when complete.

        A sample that could not be scored has a `problem` and nulls; a score that is not defined is null.
        """
        return self.root / "scores.parquet"

    def features(self) -> np.memmap:
        """(N, D) float32, mapped from disk, by id; zeros for samples that were not scored."""
        return np.load(self.root / "features.npy", mmap_mode="r")

    def features_of(self, ids: np.ndarray) -> np.ndarray:
        """(n, D) float32 of some ids, in memory; nothing stays mapped."""
        return np.asarray(self.features()[ids])

    def class_weights(self) -> np.ndarray:
        """(K, D) float32."""
        return np.load(self.root / "class_weights.npy")

    def bias(self) -> np.ndarray:
        """(K,) float32."""
        return np.load(self.root / "bias.npy")

    def lock(self) -> FileLock:
        """Held by whoever writes the run; does not wait."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "lock", timeout=0)

    def create(self, record: RunRecord, class_weights: np.ndarray, bias: np.ndarray, *, rows: int) -> None:
        """Begins the run, with room for the features of `rows` samples; the record is written last."""
        _write_array(self.root / "class_weights.npy", class_weights)
        _write_array(self.root / "bias.npy", bias)
        _reserve(self.root / "features.npy", (rows, record.width))
        write_json(self.root / "run.json", record)

    def write_features(self, ids: np.ndarray, features: np.ndarray) -> None:
        """Puts features (n, D) into the rows `ids`, ascending, and on disk."""
        with open(self.root / "features.npy", "r+b") as stream:
            start = _data_offset(stream)
            for first, rows in _stretches(ids, np.ascontiguousarray(features, dtype=np.float32)):
                stream.seek(start + first * rows.strides[0])
                stream.write(rows.data)
            flush(stream)

    def write_shard(self, shard: int, scores: pa.Table, *, seconds: float) -> None:
        """Commits a shard: the rows of its samples, after their features; `seconds` is what it took."""
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
        """Completes the run: the table from its `shards` in order of id, then the record with `changes`."""
        record = self.record.model_copy(update=dict(changes))
        temporary = temporary_name(self.scores_path)
        try:
            with open(temporary, "wb") as stream:
                rows = _write_groups(stream, shards)
                flush(stream)
            if rows != record.samples:
                raise RuntimeError(f"run {self.name} has {rows} rows for {record.samples} samples")
            os.replace(temporary, self.scores_path)
        finally:
            temporary.unlink(missing_ok=True)
        write_json(self.root / "run.json", record)
        shutil.rmtree(self.root / "scores", ignore_errors=True)
        for leftover in self.root.glob(".*.tmp"):  # of an attempt that was killed
            leftover.unlink(missing_ok=True)

    def _shard_path(self, shard: int) -> Path:
        return self.root / "scores" / f"shard-{shard:05d}.parquet"


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


def _write_array(path: Path, array: np.ndarray) -> None:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array))
    write_atomic(path, stream.getvalue())


def _reserve(path: Path, shape: tuple[int, int]) -> None:
    """A float32 .npy of zeros that takes no room on disk until it is written to."""
    temporary = temporary_name(path)
    with open(temporary, "wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 4 * shape[0] * shape[1])
        flush(stream)
    os.replace(temporary, path)


def _data_offset(stream: BinaryIO) -> int:
    np.lib.format.read_magic(stream)
    np.lib.format.read_array_header_1_0(stream)
    return stream.tell()


def _stretches(ids: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of consecutive ids together: (first id, its rows)."""
    cuts = np.flatnonzero(np.diff(ids) != 1) + 1
    for part in np.split(np.arange(len(ids)), cuts):
        if len(part):
            yield int(ids[part[0]]), rows[part[0] : part[-1] + 1]
