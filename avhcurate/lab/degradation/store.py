"""Degradations of a run: record and scores of its degraded images, written shard by shard next to the run's own."""

from typing import TYPE_CHECKING, Any

from avhcurate.workspace.data.runs import BackendRecord, RunFolder
from avhcurate.workspace.disk.folders import ShardedFolder
from avhcurate.workspace.disk.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd

#: Samples a shard, each with all its degraded images: what a killed job loses at most.
SHARD = 64


class DegradationRecord(Provenance):
    """The record of a degradation, `degradation.json`; `finished` and what follows are set when it is complete.

    `strengths`: of levels 1, 2, ... of each kind. `side`: pixels a side of the images that were degraded. `samples`
    counts images before degradation, `skipped` those of them that could not be read. `rate` is in degraded images a
    second.
    """

    name: str
    run: str
    model: str
    weights_sha256: str
    weights_source: str
    preprocess: dict[str, Any]
    side: int
    strengths: dict[str, list[float]]
    precision: str
    device: str
    batch_size: int
    backend: BackendRecord | None = None
    samples: int
    rate: float | None = None
    skipped: int = 0

    @property
    def steps(self) -> int:
        """Images made of each sample, itself included."""
        return 1 + sum(map(len, self.strengths.values()))


class DegradationFolder(ShardedFolder[DegradationRecord]):
    """One folder in `RUN/degradation/`: `degradation.json`, and `scores.parquet` once it is complete.

    Until then `scores/shard-XXXXX.parquet`, each renamed into place when its samples are scored at every level.

    A row a sample, kind and level: id, kind, level, predicted, a column a score, problem. Level 0, of kind `none`, is
    the image itself. An image that could not be read has only that row, with its `problem` and nulls.
    """

    HOME = "degradation"
    FILE = "degradation.json"
    KIND = DegradationRecord
    WHAT = "degradation"
    AGAIN = "remove the folder and run it again"

    def problems(self) -> "pd.DataFrame":
        """Return the images that could not be read, `id, problem`."""
        import pandas as pd

        return pd.read_parquet(self.scores_path, columns=["id", "problem"]).dropna()


def degradations(run: RunFolder) -> list[DegradationFolder]:
    """Return the complete degradations of a run, oldest first."""
    return [folder for folder in DegradationFolder.all_of(run) if folder.complete]
