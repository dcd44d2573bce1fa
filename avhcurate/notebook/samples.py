"""Samples of a dataset, in the ways in which a notebook names them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from PIL import Image

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.images.decoding import BrokenImage, decode
from avhcurate.workspace.images.source import ImageSource

#: Ids (one, a list, an array, a column), a boolean mask (N,), a table with a column `id`, a SQL condition, or filters.
Samples = int | str | Filters | pd.DataFrame | Iterable[int]


def selected(table: SampleTable, samples: Samples, *, excluded: bool | None = False) -> list[int] | Filters:
    """Return ids or filters of some images; a condition is about those that are excluded, or are not."""
    if isinstance(samples, Filters):
        return samples
    if isinstance(samples, str):
        return Filters(where=samples, excluded=excluded)
    if isinstance(samples, pd.DataFrame):
        if "id" not in samples.columns:
            raise CurateError(f"The table of images has no column id. Its columns are {listed(samples.columns)}.")
        samples = samples["id"]
    values = np.atleast_1d(np.asarray(samples))
    if values.dtype == bool:
        if values.shape != (table.size,):
            raise CurateError(f"The mask has shape {values.shape} for {table.size} images. Give one value for each.")
        values = np.flatnonzero(values)
    if values.size and values.dtype.kind not in "iu":
        raise CurateError(f"Name images by whole numbers, their ids, or a condition, not {values.dtype}.")
    return [int(id) for id in values]


def selected_ids(table: SampleTable, samples: Samples) -> list[int]:
    """Return the ids of some images."""
    ids = selected(table, samples)
    if isinstance(ids, Filters):
        return table.frame(ids, columns=["id"])["id"].tolist()
    return ids


def picture(images: ImageSource, id: int) -> Image.Image:
    """Return an image, in RGB. Raises CurateError for one that cannot be read."""
    try:
        return Image.fromarray(decode(images.read_one(id)))
    except BrokenImage as problem:
        raise CurateError(f"Image {id} cannot be read: {problem}") from None
