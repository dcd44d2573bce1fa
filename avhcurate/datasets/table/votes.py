"""The votes of a dataset, kept in the HSF columns of its samples."""

import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from avhcurate.datasets.table.present import present_id
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.people.counting import VoteCounter
from avhcurate.people.log import ResponseLog
from avhcurate.workspace.data.datasets import DatasetFolder


class Votes(VoteCounter):
    """Counts the votes of a dataset, and writes HSF in bins of `edges` into the samples that `keep_in` names."""

    samples: SampleTable

    def __init__(self, dataset: DatasetFolder, log: ResponseLog, edges: Sequence[float]) -> None:
        self.edges = tuple(edges)
        self._refreshing = threading.Lock()
        super().__init__(dataset, log)

    def columns_of(self, ids: range) -> pa.Table:
        """Return the HSF columns of the samples with votes among some ids."""
        voted = ids.start + np.flatnonzero(self.counts.votes[ids.start : ids.stop])
        return self.hsf_columns(voted, self.edges)

    def keep_in(self, samples: SampleTable) -> None:
        """Write what `refresh` finds into these samples, which have the votes of now."""
        self.samples = samples
        samples.votes = self.record

    def refresh(self) -> None:
        """Read the answers that any process has written since into the HSF columns of the samples."""
        # One at a time, so that no thread overwrites a newer state with an older one.
        with self._refreshing:
            if len(changed := self.update()):
                self.samples.update_votes(self.hsf_columns(changed, self.edges))
            self.samples.votes = self.record

    def present_id(self) -> str:
        """Return the dataset's id, to write about its samples; raise `CurateError` if it has other samples now."""
        return present_id(self.dataset, self.samples)
