"""Samples of a dataset, in the ways in which a notebook names them."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import listed

#: Ids (one, a list, an array, a column), a boolean mask (N,), a table with a column `id`, a SQL condition, or filters.
Samples = int | str | Filters | pd.DataFrame | Iterable[int]


def chosen(table: DatasetTable, samples: Samples, *, excluded: bool | None = False) -> list[int] | Filters:
    """Return ids or filters of some samples; a condition is about those that are excluded, or are not."""
    if isinstance(samples, Filters):
        return samples
    if isinstance(samples, str):
        return Filters(where=samples, excluded=excluded)
    if isinstance(samples, pd.DataFrame):
        if "id" not in samples.columns:
            raise CurateError(f"The table of samples has no column id. Its columns are {listed(samples.columns)}.")
        samples = samples["id"]
    values = np.atleast_1d(np.asarray(samples))
    if values.dtype == bool:
        if values.shape != (table.size,):
            raise CurateError(f"The mask has shape {values.shape} for {table.size} samples. Give one value for each.")
        values = np.flatnonzero(values)
    if values.size and values.dtype.kind not in "iu":
        raise CurateError(f"Name samples by whole numbers, their ids, or a condition, not {values.dtype}.")
    return [int(id) for id in values]


def chosen_ids(table: DatasetTable, samples: Samples) -> list[int]:
    """Return the ids of some samples."""
    ids = chosen(table, samples)
    if isinstance(ids, Filters):
        return table.frame(ids, columns=["id"])["id"].tolist()
    return ids


class LabelledSamples:
    """Images with their curated class index, in the form of a torch dataset of known length."""

    def __init__(self, images: Any, rows: pd.DataFrame, transform: Callable[[Any], Any] | None) -> None:
        self._images = images
        self._transform = transform
        self.ids = rows["id"].tolist()
        self.labels = rows["curated_label"].fillna(-1).astype(int).tolist()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        image = self._images.image(self.ids[number])
        if self._transform is not None:
            image = self._transform(image)
        return image, self.labels[number]
