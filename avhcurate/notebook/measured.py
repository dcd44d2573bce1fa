"""What is found in the images of a dataset, and its parts for training and testing, from Python."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.notebook.decided import DecidedDataset
from avhcurate.notebook.opened import filters_of
from avhcurate.workspace.data.settings import takes


class MeasuredDataset(DecidedDataset):
    """A dataset whose images are measured and which is divided; see `avhcurate.notebook.dataset.Dataset`."""

    @takes(QualitySettings, "model", "engine")
    def quality(self, **options: Any) -> pd.DataFrame:
        """Measure every image and group near duplicates: `id, path, ..., width, height, ..., duplicate_group`.

        The options are those of `avhcurate quality`: `near` is the least cosine of embeddings of near duplicates (None
        reads it off the open run), `upright` ignores mirrored and turned copies. A job, like `score`;
        the columns stay in the table.

        >>> import avhcurate
        >>> measures = avhcurate.example(fresh=True).quality(upright=True)
        >>> measures[["id", "path", "width", "height"]].head(1)
           id     path  width  height
        0   0  000.png      8       8
        >>> digits = avhcurate.example(fresh=True)
        """
        from avhcurate.features.quality import service

        settings = QualitySettings(dataset=self.name, model=self._run_name(), **options)
        with self._job(settings) as progress:
            service.measure_dataset(
                self.workspace,
                self.name,
                settings.model,
                near=settings.near,
                upright=settings.upright,
                progress=progress,
            )
        return service.measures_table(self.sample_table)

    def split(
        self,
        shares: Sequence[float],
        *,
        by: str | Sequence[str] = ("class", "hsf"),
        seed: int = 0,
        group: str | None = None,
        where: str | Filters | None = None,
        out: str | os.PathLike[str] | None = None,
        as_sets: str | None = None,
        force: bool = False,
    ) -> pd.DataFrame:
        """Divide the samples into parts, balanced by class and HSF bin: `id, path, ..., part`, one row per sample.

        Two `shares` are train and test, three are train, validation and test. `by` is "class", "hsf", both or ().
        The values of the column `group` stay in one part. `out` also writes the parts as a table; `as_sets` saves each
        as a set of this name and the part's. Raises CurateError for shares that are not valid, for unknown columns, and
        for a file that exists unless `force`.

        >>> import avhcurate
        >>> avhcurate.example().split((0.75, 0.25), by="class")["part"].value_counts().to_dict()
        {'train': 91, 'test': 29}
        """
        from avhcurate.features.saved import split_service

        table = self.sample_table
        found = split_service.make_split(
            table,
            shares,
            by=(by,) if isinstance(by, str) else by,
            seed=seed,
            group=group,
            filters=filters_of(where),
        )
        if out is not None:
            split_service.write_split(found, Path(out), force=force)
        if as_sets is not None:
            split_service.save_parts(self.workspace, table, found, as_sets)
        return found.rows
