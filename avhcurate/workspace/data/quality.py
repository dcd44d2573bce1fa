"""Image quality of a dataset on disk: a record, measures shard by shard, and pairs of near duplicates."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.folders import ShardedFolder
from avhcurate.workspace.disk.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd

#: Samples a shard: what a killed job loses at most.
SHARD = 256


class QualityRecord(Provenance):
    """The record of the measures, `quality.json`.

    `finished` and what follows are set when every image is measured; `grouped` and what follows when near duplicates
    were searched: in the embeddings of `run` (None: without) from cosine `similarity` on. `upright`: the search ignored
    mirrored and turned images. `draft`: as of a `Preprocess`, for the copies that are measured.
    """

    samples: int
    draft: int = 0
    rate: float | None = None
    skipped: int = 0
    grouped: datetime | None = None
    run: str | None = None
    near: float | None = None
    similarity: float | None = None
    upright: bool = False
    groups: int = 0


class QualityFolder(ShardedFolder[QualityRecord]):
    """DATASET/quality/: `quality.json`, `scores.parquet` with all measures, then `pairs.parquet`, `columns.parquet`."""

    FILE = "quality.json"
    KIND = QualityRecord
    WHAT = "image quality"
    AGAIN = "remove the folder and measure it again"

    @property
    def columns_path(self) -> Path:
        """A row a sample: `id`, the measures, `duplicate_group`, `oddity`, `problem`; there when all is done."""
        return self.root / "columns.parquet"

    def ready(self, fingerprint: str) -> bool:
        """Return whether its columns are there, and of this import of the dataset."""
        return self.columns_path.exists() and self.is_of(fingerprint)

    def measures(self) -> "pd.DataFrame":
        """The finished table: `id`, measures, `phash`, those of its attitudes, `sha256`, `oddity`, `problem`; by id."""
        import pandas as pd

        return pq.read_table(self.scores_path).to_pandas(types_mapper={pa.uint64(): pd.UInt64Dtype()}.get)

    def pairs(self) -> "pd.DataFrame":
        """Pairs of near duplicates, `first, second, how` with how one of bytes, hash, turned, embedding."""
        return pq.read_table(self.root / "pairs.parquet").to_pandas()

    def write_groups(self, columns: "pd.DataFrame", pairs: "pd.DataFrame") -> None:
        """Put the columns in place, after the pairs that their groups join."""
        write_parquet(self.root / "pairs.parquet", pairs)
        write_parquet(self.columns_path, columns)

    def has_columns(self, names: Collection[str]) -> bool:
        """Return whether all of them were measured, as far as it has come."""
        written = [*self.root.glob(self.TABLE), *(self.root / "scores").glob("*.parquet")]
        return all(set(names).issubset(pq.read_schema(path).names) for path in written)

    def clear(self) -> None:
        """Remove everything but the lock; the record last, so that nothing outlives it."""
        shards = (self.root / "scores").glob("*")
        for path in (self.columns_path, self.root / "pairs.parquet", self.scores_path, *shards, self.root / self.FILE):
            path.unlink(missing_ok=True)
