"""Samples of a dataset as torch reads them, in this process or in the workers of a DataLoader."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

from avhcurate.errors import CurateError
from avhcurate.notebook.samples import picture
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.images.source import ImageSource

_Item = TypeVar("_Item", bound=tuple[Any, ...], covariant=True)


class LabelledSamples(torch.utils.data.Dataset[_Item]):
    """Images with their curated class index, and perhaps the image's id, as they were when this was made.

    `ids`, `labels` and `weights` are lists of n, in the order of the items. A worker reads images by itself, so that
    it may be forked or not.
    """

    def __init__(
        self,
        folder: DatasetFolder,
        rows: pd.DataFrame,
        *,
        transform: Callable[[Any], Any] | None,
        weights: np.ndarray,
        with_ids: bool,
    ) -> None:
        self._root = folder.root.absolute()
        self._fingerprint = folder.record.fingerprint
        self._transform = transform
        self._with_ids = with_ids
        self.ids: list[int] = rows["id"].tolist()
        self.labels: list[int] = rows["curated_label"].fillna(-1).astype(int).tolist()
        self.weights: list[float] = weights.tolist()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> _Item:
        id = self.ids[number]
        image: Any = picture(_images(self._root, self._fingerprint, os.getpid()), id)
        if self._transform is not None:
            image = self._transform(image)
        item: Any = (image, self.labels[number])
        if self._with_ids:
            item = (*item, id)
        return item


@lru_cache(maxsize=8)
def _images(root: Path, fingerprint: str, process: int) -> ImageSource:
    """Return the images of a dataset for one process: a file that is open in two would be read at one position."""
    folder = DatasetFolder(root)
    folder.refuse_another_import(fingerprint, again="make the images again")
    return folder.images()


def weights_of(weights: Any, rows: pd.DataFrame, size: int) -> np.ndarray:
    """Return how often to draw each of some images, (n,), of an array (n,), or (N,) by id; None weighs all alike.

    Raises CurateError for values that are missing, negative or of another number.
    """
    if weights is None:
        return np.ones(len(rows))
    values = np.asarray(weights, np.float64)
    if values.shape == (size,):
        values = values[rows["id"]]
    if values.shape != (len(rows),):
        raise CurateError(f"The weights have shape {values.shape}. Give one for each of {len(rows)} images.")
    if wrong := int((~np.isfinite(values) | (values < 0)).sum()):
        raise CurateError(f"The weights are missing or negative for {wrong} of {len(rows)} images. Give others.")
    return values
