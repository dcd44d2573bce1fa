"""Columns of EXIF at import: when and where a photo was taken."""

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from avhcurate.workspace.disk.files import batched
from avhcurate.workspace.disk.jobs import Progress
from avhcurate.workspace.disk.remote import is_url
from avhcurate.workspace.images.exif import Exif, read_exif

#: Files whose format keeps EXIF before the pixels, so that only their first kilobytes are read.
_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".webp")
#: Files, spread evenly, that are tried first: where none says anything, as in most public datasets, no other is read.
_TRIED = 200
_AT_ONCE = 1000


def as_kept(samples: pa.Table, progress: Progress) -> pa.Table:
    """Return samples with their ids and EXIF, which no fingerprint needs to know: it follows from the files."""
    samples = with_exif(samples, progress)
    return samples.add_column(0, "id", pa.array(np.arange(len(samples), dtype=np.int64)))


def with_exif(samples: pa.Table, progress: Progress) -> pa.Table:
    """Return samples with `taken` (timestamp by the camera's clock), `latitude` and `longitude` (degrees).

    Read are files of this machine. A column is left out where none says it, or where the source has one of that name.
    """
    names = {name.casefold() for name in samples.column_names}
    files = samples["_file"].to_pylist()
    held = samples["_row"].to_pylist()
    rows = [row for row, file in enumerate(files) if held[row] is None and _may_say(file)]
    spread = {rows[place] for place in np.linspace(0, len(rows) - 1, min(len(rows), _TRIED)).astype(int)}
    with ThreadPoolExecutor(4, "avhcurate-exif") as pool:
        said = dict(zip(spread, pool.map(read_exif, (files[row] for row in spread)), strict=True))
        if all(exif.taken is None and math.isnan(exif.latitude) for exif in said.values()):
            return samples
        for block in batched((row for row in rows if row not in spread), _AT_ONCE):
            progress.tell(len(said), len(rows), "images whose EXIF is read")
            said |= zip(block, pool.map(read_exif, (files[row] for row in block)), strict=True)
    ordered = [said.get(row, Exif()) for row in range(len(samples))]
    columns = {
        "taken": pa.array([exif.taken for exif in ordered], pa.timestamp("s")),
        "latitude": pa.array([exif.latitude for exif in ordered], pa.float64(), from_pandas=True),
        "longitude": pa.array([exif.longitude for exif in ordered], pa.float64(), from_pandas=True),
    }
    for name, column in columns.items():
        if name not in names and column.null_count < len(column):
            samples = samples.add_column(len(samples.column_names) - 2, name, column)
    return samples


def _may_say(file: str) -> bool:
    return not is_url(file) and os.path.splitext(file)[1].casefold() in _SUFFIXES
