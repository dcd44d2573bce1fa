"""A dataset that is read: its table, kept up to date with what any process adds."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self

import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable, open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.workspace.data import background
from avhcurate.workspace.data.settings import VerbSettings
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress


class OpenedDataset:
    """A dataset of a workspace with one model run; see `avhcurate.notebook.dataset.Dataset`."""

    def __init__(self, workspace: Workspace, name: str, model: str | None = None) -> None:
        self.workspace, self.name = workspace, name
        self._model = model
        self._opened: tuple[str, DatasetTable] | None = None
        _ = self.sample_table  # an unknown name or model is refused here

    def __repr__(self) -> str:
        table = self.sample_table
        record, votes, run = table.dataset.record, table.votes, table.run
        answers, scored = "no votes", "not scored yet"
        if votes:
            kind = "simulated" if votes.simulated else "human"
            answers = f"{votes.total:,} {kind} votes"
        if run:
            scored = f"scored by {run.record.model}"
        return f"Dataset {self.name}: {record.samples:,} samples of {len(table.classes)} classes, {answers}, {scored}"

    def __len__(self) -> int:
        return self.sample_table.size

    # --- its table ---------------------------------------------------------------------------------------------------

    @property
    def sample_table(self) -> DatasetTable:
        """Return the table that the pages read: opened again when a run, votes or another import came, else kept."""
        stamp = self.workspace.dataset(self.name).stamp()
        if self._opened is None or self._opened[0] != stamp:
            self._opened = stamp, open_table(self.workspace, self.name, self._model)
        else:
            self._opened[1].refresh()
        return self._opened[1]

    @property
    def table(self) -> pd.DataFrame:
        """Return every sample by id, excluded ones too: N rows, the columns of an export.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.table[["id", "path", "label_name", "predicted_name"]].head(2)
           id     path label_name predicted_name
        0   0  000.png          0              0
        1   1  001.png          1              1
        """
        return self.sample_table.table

    @property
    def classes(self) -> list[str]:
        """Return the class names by label, K of them.

        >>> import avhcurate
        >>> len(avhcurate.example().classes)
        10
        """
        return list(self.sample_table.classes)

    def frame(self, where: str | Filters | None = None, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the samples that satisfy a condition and are not excluded, by id; None: every sample.

        Raises CurateError for a condition that is not valid, and for unknown columns.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> digits.frame("label = 3 AND hsf < 0.5", columns=["id", "hsf"])
            id   hsf
        0  103  0.38
        """
        if isinstance(where, str):
            where = Filters(where=where)
        return self.sample_table.frame(where, columns=columns)

    def _job(self, settings: VerbSettings, *, resumes: bool = True) -> AbstractContextManager[Progress]:
        """Run the block as a job of the workspace, which the app shows, cancels and can resume."""
        return background.job(self.workspace.root, settings, resumes=resumes)

    def _run_name(self) -> str | None:
        """Return the run that it is open on, None without one."""
        run = self.sample_table.run
        if run is None:
            return None
        return run.name

    def _on_run(self, run: str) -> Self:
        """Return the dataset itself, now with that run."""
        self._model, self._opened = run, None
        return self


def filters_of(where: str | Filters | None) -> Filters:
    """Return the filters of a condition; by default excluded samples are left out."""
    if isinstance(where, Filters):
        return where
    return Filters(where=where or "")
