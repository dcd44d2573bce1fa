"""Opens a dataset with one model run as a single table, and keeps its annotations up to date."""

import os
import threading
from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.curation import bins, hsf
from avhcurate.errors import CurateError
from avhcurate.storage.annotations import AnnotationLog
from avhcurate.storage.datasets import DatasetFolder, DatasetRecord
from avhcurate.storage.runs import RunFolder, RunRecord
from avhcurate.storage.table import SampleTable
from avhcurate.storage.workspace import Workspace


class DatasetTable(SampleTable):
    """The joined table of a dataset and a model run (None before any), with the log of what people decide."""

    def __init__(
        self, dataset: DatasetFolder, run: RunFolder | None, log: AnnotationLog, edges: Sequence[float] | None = None
    ) -> None:
        self.dataset, self.run, self.log = dataset, run, log
        self.edges = tuple(bins.check_edges(edges))
        self._refreshing = threading.Lock()
        record = dataset.record
        #: What is known of the votes that this table holds, whatever is attached to the dataset later.
        self.votes = record.votes
        super().__init__(
            dataset.samples_path,
            run.scores_path if run else None,
            hsf_columns(dataset, self.edges),
            class_names(record, run.record if run else None),
        )
        self._version = -1
        self.refresh()

    @property
    def table(self) -> pd.DataFrame:
        """Every sample, excluded ones too, as a pandas DataFrame."""
        return self.frame()

    @property
    def simulated(self) -> bool:
        """Whether the votes come from a simulated panel and not from people."""
        return bool(self.votes and self.votes.simulated)

    def refresh(self) -> None:
        """Takes over annotations written since, here or by another process."""
        # One at a time: else a thread with an older state may write it after, and keep the number of, a newer one.
        with self._refreshing:
            version = self.log.version(self.dataset.name)
            if version != self._version:
                self.annotate(self.log.state(self.dataset.name))
                self._version = version


def open_table(
    workspace: Workspace, name: str, model: str | None = None, *, edges: Sequence[float] | None = None
) -> DatasetTable:
    """The table of dataset `name` with the run of `model` (a run's or a model's name; None: the newest complete one).

    Without any run the score columns are null; asking for a model that was not run is refused.
    """
    dataset = workspace.dataset(name)
    run = dataset.run(model) if model or any(run.complete for run in dataset.runs()) else None
    if run and not run.complete:
        raise CurateError(
            f"the run {run.root.name} is not finished: run `avhcurate score {name} ...` again to resume it"
        )
    return DatasetTable(dataset, run, open_log(workspace), edges)


def class_names(dataset: DatasetRecord, run: RunRecord | None) -> list[str]:
    """Names by label: the dataset's, then the model's where labels alone do not say how many classes there are."""
    if run is None or dataset.classes_declared:
        return dataset.classes
    numbers = [str(number) for number in range(run.num_classes)]
    names = run.classes if len(run.classes) == run.num_classes else numbers
    more = zip(names, numbers, strict=True)
    unique = [f"{name} ({number})" if name in dataset.classes else name for name, number in more]
    return dataset.classes + unique[len(dataset.classes) :]


def open_log(workspace: Workspace) -> AnnotationLog:
    """The annotation log: of AVHCURATE_DATABASE_URL, else annotations.db in the workspace."""
    url = os.environ.get("AVHCURATE_DATABASE_URL")
    if not url:
        workspace.root.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{workspace.annotations_path}"
    return AnnotationLog(url)


def hsf_columns(dataset: DatasetFolder, edges: Sequence[float]) -> pd.DataFrame | None:
    """`id, hsf, hsf_low, hsf_high, votes, hsf_bin, _hsf_bin` of the samples with votes; None without votes."""
    votes = dataset.votes()
    if votes is None:
        return None
    if "counts" in votes:
        table = hsf.from_counts(np.stack(votes["counts"].to_list()), dataset.labels()[votes["id"]])
    else:
        table = hsf.from_ticks(votes["selected"], votes["shown"])
    index = pd.Series(bins.bin_index(table["hsf"], edges))
    names = dict(enumerate(bins.bin_labels(edges)))
    return table.assign(id=votes["id"].to_numpy(), hsf_bin=index.map(names), _hsf_bin=index.where(index >= 0))
