"""Maps of a run: where each sample and each class weight lies in two dimensions, with the map's record."""

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.arrays import read_npy
from avhcurate.workspace.disk.files import write_array, write_parquet
from avhcurate.workspace.disk.folders import ResultFolder
from avhcurate.workspace.disk.provenance import Provenance


class MapRecord(Provenance):
    """The record of a map, `map.json`; `finished` and what follows are set when it is complete.

    `samples` of the run were mapped, spread evenly under a `limit`; `placed` of them have a place (an embedding of
    zeros has none). `width` is that of the embedding; of many samples UMAP gets `pca` dimensions, with the share `kept`
    of the variance. `shares`: of the variance, on the two axes of a PCA map. `neighbours`, `epochs` and `seed` (None:
    not repeatable) are UMAP's.
    """

    name: str
    layout: Literal["pca", "umap"]
    run: str
    weights_sha256: str
    width: int
    samples: int
    limit: int | None
    neighbours: int | None = None
    pca: int | None = None
    kept: float | None = None
    epochs: int = 0
    seed: int | None = None
    device: str = "cpu"
    threads: int
    placed: int = 0
    shares: tuple[float, float] | None = None


class MapFolder(ResultFolder[MapRecord]):
    """One folder in `RUN/maps/`: `map.json`, `coordinates.parquet` (id, x, y, by id) and `class_weights.npy`.

    While UMAP works, `rows.npy` and `nearest.npz` hold its input, so that a resumed job begins there.
    """

    HOME = "maps"
    FILE = "map.json"
    TABLE = "coordinates.parquet"
    KIND = MapRecord
    WHAT = "map"
    AGAIN = "remove the folder and make it again"

    @property
    def rows_path(self) -> Path:
        """(n + k, d) float32: samples, then class weights, only those with a place."""
        return self.root / "rows.npy"

    @property
    def nearest_path(self) -> Path:
        """`near` and `distances` (n + k, neighbours) of those rows, if they come from the run's neighbour graph."""
        return self.root / "nearest.npz"

    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ids (n,) int64, ascending, and places (n, 2) float32."""
        table = pq.read_table(self.root / self.TABLE, memory_map=True)
        return table["id"].to_numpy(), np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)

    def class_weights(self) -> np.ndarray:
        """Return (K, 2) float32; NaN for a class weight without direction."""
        return np.array(read_npy(self.root / "class_weights.npy"))

    def finish(self, record: MapRecord, ids: np.ndarray, places: np.ndarray, class_weights: np.ndarray) -> None:
        """Complete the map: coordinates first, the record last."""
        x, y = places.astype(np.float32).T
        write_parquet(self.root / self.TABLE, pa.table({"id": pa.array(ids, pa.int64()), "x": x, "y": y}))
        write_array(self.root / "class_weights.npy", class_weights.astype(np.float32))
        self.write_record(record)
        self.rows_path.unlink(missing_ok=True)
        self.nearest_path.unlink(missing_ok=True)


def maps(run: RunFolder) -> list[MapFolder]:
    """Return the complete maps of a run, oldest first."""
    return [folder for folder in MapFolder.all_of(run) if folder.complete]
