"""One model run over a dataset: its record, features, class weights and scores, written shard by shard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq
from pydantic import BaseModel

from avhcurate.disk.files import flush, replacing, write_array
from avhcurate.disk.folders import ShardedFolder
from avhcurate.disk.provenance import Provenance
from avhcurate.stats.downsample import evenly_spread

#: Samples a shard: what a killed run loses at most.
SHARD = 1024


class RankAgreement(BaseModel):
    """How a run in reduced precision orders samples, against float32: on `samples` of the run, spread evenly.

    spearman: by score; `predicted`: share of samples with the same predicted class.
    """

    samples: int
    spearman: dict[str, float]
    predicted: float


class PromptsRecord(BaseModel):
    """What a zero-shot model was told: prompts of class k are the templates with `names[k]` in place of {}."""

    templates: tuple[str, ...]
    names: tuple[str, ...]


class RunRecord(Provenance):
    """The record of a run, `run.json`; `finished` and what follows are set when it is complete.

    `limit`: None when all samples are scored. `classes` are names where they are known, in the order of the class
    weights. `skipped` counts the samples that could not be scored. `seconds` is the time of the pass over the images,
    the parts before a resume included; `rate` is in samples a second. `prompts`: of a zero-shot model.
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
    samples: int
    limit: int | None
    seed: int
    rate: float | None = None
    skipped: int = 0
    rank_agreement: RankAgreement | None = None
    prompts: PromptsRecord | None = None


class RunFolder(ShardedFolder[RunRecord]):
    """The folder of one run.

    Files: `run.json`, `class_weights.npy`, `bias.npy`, `features.npy`; `scores.parquet` once it is complete, and until
    then `scores/shard-XXXXX.parquet`. A shard's file is renamed into place after its rows of `features.npy` are on
    disk: where the file is, the shard is whole.

    A row of scores: id, predicted, a column a score, problem. A sample that could not be scored has a `problem` and
    nulls; a score that is not defined is null.
    """

    HOME, FILE, KIND = "runs", "run.json", RunRecord
    WHAT, AGAIN = "run", "remove the folder and score again"

    def scored_ids(self, limit: int | None = None) -> np.ndarray:
        """Ids of the scored samples of a complete run, ascending; `limit` of them, evenly spread."""
        table = pq.read_table(self.scores_path, columns=["id", "problem"])
        ids = np.sort(table["id"].to_numpy()[table["problem"].is_null().to_numpy()])
        return ids[evenly_spread(len(ids), limit)]

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

    def create(self, record: RunRecord, class_weights: np.ndarray, bias: np.ndarray, *, rows: int) -> None:
        """Begins the run, with room for the features of `rows` samples; the record is written last."""
        write_array(self.root / "class_weights.npy", class_weights)
        write_array(self.root / "bias.npy", bias)
        _reserve(self.root / "features.npy", (rows, record.width))
        self.write_record(record)

    def write_features(self, ids: np.ndarray, features: np.ndarray) -> None:
        """Puts features (n, D) into the rows `ids`, ascending, and on disk."""
        with open(self.root / "features.npy", "r+b") as stream:
            start = _data_offset(stream)
            for first, rows in _stretches(ids, np.ascontiguousarray(features, dtype=np.float32)):
                stream.seek(start + first * rows.strides[0])
                stream.write(rows.data)
            flush(stream)

    def _check_rows(self, rows: int, record: RunRecord) -> None:
        if rows != record.samples:
            raise RuntimeError(f"run {self.name} has {rows} rows for {record.samples} samples")


def _reserve(path: Path, shape: tuple[int, int]) -> None:
    """A float32 .npy of zeros that takes no room on disk until it is written to."""
    with replacing(path) as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 4 * shape[0] * shape[1])


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
