"""Label suspects of a run: the neighbours of every sample, written shard by shard, and the suspects that were found."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from avhcurate.data.runs import RunFolder
from avhcurate.disk.provenance import Provenance
from avhcurate.disk.shards import RecordFolder, ShardedFolder

#: Samples a shard of neighbours: what a killed job loses at most.
SHARD = 2048

_NEIGHBOURS, _SUSPECTS = "neighbours", "suspects"


class NeighboursRecord(Provenance):
    """The record of a search, `neighbours.json`: `count` neighbours of each of `samples`; `finished` when complete."""

    run: str
    count: int
    samples: int


class NeighboursFolder(ShardedFolder[NeighboursRecord]):
    """One folder in `RUN/neighbours/`: a row a sample with `id` and `near`, the ids nearest by angle, nearest first."""

    FILE, KIND, WHAT, AGAIN = "neighbours.json", NeighboursRecord, "neighbour search", "run it again"


class SuspectsRecord(BaseModel):
    """What the suspects were found by, `suspects.json`.

    `samples` are those that were judged: with a label, and scored. `listed` of them are in the table. `doubting`: how
    many each source doubts; `missing`: why a source that could have been asked by default is not among `sources`.
    `folds`, `seed` and the heads' `accuracy` are None where the run's own head judged. `asked`: when somebody last
    asked for just these.
    """

    name: str
    run: str
    dataset_fingerprint: str
    sources: list[str]
    missing: dict[str, str]
    out_of_fold: str | None
    folds: int | None
    seed: int | None
    accuracy: float | None
    neighbours: int
    votes_fingerprint: str | None
    votes_simulated: bool
    votes_kind: str | None
    samples: int
    listed: int
    doubting: dict[str, int]
    verdicts: dict[str, int]
    versions: dict[str, str]
    asked: datetime
    finished: datetime
    seconds: float


class SuspectsFolder(RecordFolder[SuspectsRecord]):
    """One folder in `RUN/suspects/`: `suspects.parquet`, then `suspects.json`."""

    FILE, KIND, WHAT, AGAIN = "suspects.json", SuspectsRecord, "list of suspects", "find them again"

    @property
    def table_path(self) -> Path:
        """A row a suspect, by rank; see `suspects.service`."""
        return self.root / "suspects.parquet"

    @property
    def complete(self) -> bool:
        return self.begun and self.table_path.exists()


def neighbours_at(run: RunFolder, count: int) -> NeighboursFolder:
    """The folder of so many neighbours a sample, there or not."""
    return NeighboursFolder(run.root / _NEIGHBOURS / str(count))


def suspects_at(run: RunFolder, name: str) -> SuspectsFolder:
    """The folder of that name, there or not."""
    return SuspectsFolder(run.root / _SUSPECTS / name)


def suspects_of(run: RunFolder) -> list[SuspectsFolder]:
    """The finished lists of suspects of a run, in the order in which they were last asked for."""
    found = [SuspectsFolder(path.parent) for path in (run.root / _SUSPECTS).glob("*/suspects.json")]
    return sorted((one for one in found if one.complete), key=lambda one: (one.record.asked, one.name))
