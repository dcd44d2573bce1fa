"""What leaves a dataset: label files, a Hugging Face or torch dataset, a report; and what a training says of it."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
from PIL.Image import Image

from avhcurate.datasets.table.filters import Filters
from avhcurate.notebook.opened import OpenedDataset, filters_of
from avhcurate.notebook.samples import Samples, selected_ids

if TYPE_CHECKING:
    import datasets

    from avhcurate.networks.training.heard import HeardTraining
    from avhcurate.notebook.torch_samples import LabelledSamples


class ExportableDataset(OpenedDataset):
    """A dataset that goes out as a file, or to a training."""

    #: The samples that an epoch has, and the training that is recorded, under the name that it was given.
    _learnt: Sequence[int] = ()
    _heard: "HeardTraining | None" = None
    _heard_as = ""

    def export(
        self,
        out: str | os.PathLike[str],
        format: str | None = None,
        *,
        where: str | Filters | None = None,
        samples: Samples | None = None,
        confirmed: bool = False,
        force: bool = False,
    ) -> int:
        """Writes curated labels with a manifest, and returns how many images were written.

        `format`: csv, jsonl, parquet, folder, hf, fiftyone, label-studio, cleanlab or coco; by default what the ending
        of `out` says. `confirmed`: only decisions that a second person agrees with; others go out with the given label.
        Raises CurateError where no image is left, and for a place that is taken unless `force`.

        >>> import avhcurate, tempfile
        >>> digits = avhcurate.example()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digits.export(f"{folder}/hard.csv", where="avh > 0.04 AND hsf < 0.5")
        5
        """
        from avhcurate.datasets.curate.second_person import confirmed_only
        from avhcurate.datasets.export import service as export

        format = format or export.format_named(Path(out))
        filters = filters_of(where)
        if samples is not None:
            filters = Filters(excluded=None, ids=tuple(selected_ids(self.opened.samples, samples)))
        opened = self.opened
        if confirmed:
            opened = confirmed_only(opened)
        return export.export(opened, filters, format, Path(out), force=force, details={"confirmed": confirmed})

    def to_hf(self, where: str | Filters | None = None) -> "datasets.DatasetDict":
        """Return a Hugging Face DatasetDict of images, curated labels and all columns; its splits are the dataset's.

        >>> import avhcurate
        >>> avhcurate.example().to_hf("id < 5")["train"].features["label"].names[:2]  # doctest: +SKIP
        ['0', '1']
        """
        import datasets

        with tempfile.TemporaryDirectory() as folder:
            self.export(f"{folder}/hf", "hf", where=where)
            return datasets.load_dataset(f"{folder}/hf", cache_dir=f"{folder}/cache", keep_in_memory=True)

    @overload
    def to_torch(
        self,
        where: str | Filters | None = None,
        *,
        transform: Callable[[Image], Any] | None = None,
        weights: str | Sequence[float] | np.ndarray | pd.Series | None = None,
        ids: Literal[False] = False,
    ) -> "LabelledSamples[tuple[Any, int]]": ...
    @overload
    def to_torch(
        self,
        where: str | Filters | None = None,
        *,
        transform: Callable[[Image], Any] | None = None,
        weights: str | Sequence[float] | np.ndarray | pd.Series | None = None,
        ids: Literal[True],
    ) -> "LabelledSamples[tuple[Any, int, int]]": ...
    def to_torch(
        self,
        where: str | Filters | None = None,
        *,
        transform: Callable[[Image], Any] | None = None,
        weights: str | Sequence[float] | np.ndarray | pd.Series | None = None,
        ids: bool = False,
    ) -> "LabelledSamples[Any]":
        """Return a dataset for a torch DataLoader: image, after `transform`, and curated class index (-1 for none).

        `weights`, a column such as "avh" or an array by image, become a list for a WeightedRandomSampler. `ids` adds
        the id of each, for `heard`; call it again before each epoch, and what was decided meanwhile counts. Workers may
        be forked, spawned or of a forkserver. Raises CurateError for weights that are missing or negative.

        >>> import avhcurate
        >>> samples = avhcurate.example().to_torch("avh < 0.04", transform=np.asarray, weights="avh", ids=True)
        >>> image, label, id = samples[0]
        >>> len(samples), image.shape, label, id, round(samples.weights[0], 3)
        (77, (8, 8, 3), 0, 0, 0.032)
        """
        from avhcurate.notebook.torch_samples import LabelledSamples, weights_of

        if isinstance(weights, str):
            weights = self[weights]
        rows = self.frame(filters_of(where), columns=["id", "curated_label"])
        drawn = weights_of(weights, rows, len(self))
        folder = self.opened.dataset
        samples: LabelledSamples[Any] = LabelledSamples(folder, rows, transform=transform, weights=drawn, with_ids=ids)
        if ids:
            self._learnt = samples.ids
            if self._heard is not None:
                self._heard.end_epoch()
                self._heard.size = len(samples)
        return samples

    def heard(self, ids: Any, logits: Any, *, name: str = "") -> None:
        """Record what a network in training says of a batch: ids (B,) and logits (B, K), NumPy or torch.

        An epoch has as many images as the last `to_torch(ids=True)`. After each, AUM, forgetting, confidence and the
        other scores by epoch are on the page Training dynamics, for the given labels of these images. A `name` begins
        a training of its own, or goes on with it in another process. Raises CurateError for logits of another shape.

        >>> import avhcurate
        >>> digits = avhcurate.example(fresh=True)
        >>> samples = digits.to_torch(transform=np.asarray, ids=True)
        >>> digits.heard(samples.ids, 9 * np.eye(10)[samples.labels])
        >>> digits.workspace.dataset("digits").trainings()[0].dynamics("learnt from")["aum"][:3].tolist()
        [9.0, 9.0, 9.0]
        >>> digits = avhcurate.example(fresh=True)
        """
        if self._heard is None or name not in ("", self._heard_as):
            from avhcurate.networks.training.heard import HeardTraining

            if self._heard is not None:
                self._heard.finish()
            learnt = self._learnt or self.frame(Filters(), columns=["id"])["id"]
            self._heard = HeardTraining(self.workspace.dataset(self.name), np.asarray(learnt), name)
            self._heard_as = name
        self._heard.hear(ids, logits)

    def report(self, out: str | os.PathLike[str], *, images: bool = True, force: bool = False) -> Path:
        """Writes what was found as one HTML file that asks for nothing else; `images` inlines thumbnails.

        >>> import avhcurate, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     avhcurate.example().report(f"{folder}/digits.html").name
        'digits.html'
        """
        from avhcurate.features.report.service import write_report

        return write_report(self.opened, Path(out), images=images, force=force)
