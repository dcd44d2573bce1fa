"""What people have decided about the samples of a dataset: the log, read into the table of the samples."""

import threading

from avhcurate.datasets.table.present import present_id
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.logs import locked_paths


class Decisions:
    """The decisions about the samples of a dataset: `log` has them all, `samples` those up to `samples.entry`."""

    def __init__(self, dataset: DatasetFolder, log: EventLog, samples: SampleTable) -> None:
        self.dataset = dataset
        self.log = log
        self.samples = samples
        #: The dataset's own classes, by which relabels are stored; the samples may have more, of a run.
        self.own_classes = tuple(dataset.record.classes)
        self._refreshing = threading.Lock()
        #: The event that saved each set.
        self._set_entries = dict[str, int]()
        self.refresh()

    def refresh(self) -> None:
        """Read annotations, stored sets and the locked part that any process has written since."""
        # One at a time, so that no thread overwrites a newer state with an older one.
        with self._refreshing:
            version = self.log.version(self.dataset.id)
            if version != self.samples.entry:
                self._refresh_sets()
                self._refresh_lock()
                newer = self.log.state(self.dataset.id, self.own_classes, since=max(0, self.samples.entry))
                self.samples.annotate(newer, entry=version)

    def _refresh_lock(self) -> None:
        locked_by = self.dataset.locked_by
        if locked_by != self.samples.locked_by:
            self.samples.mark_locked(locked_paths(self.dataset.root.parents[1], self.dataset.id), locked_by)

    def _refresh_sets(self) -> None:
        now = {entry.name: entry.id for entry in self.log.saved(self.dataset.id, "set")}
        new = {key: self.log.members(entry) for key, entry in now.items() if self._set_entries.get(key) != entry}
        self.samples.update_sets(new | dict.fromkeys(self._set_entries.keys() - now))
        self._set_entries = now

    @property
    def current(self) -> bool:
        """Whether these are still the dataset's samples: it may have been removed or imported again."""
        try:
            self.present_id()
        except CurateError:
            return False
        return True

    def present_id(self) -> str:
        """Return the dataset's id, to write about its samples; raise `CurateError` if it has other samples now."""
        return present_id(self.dataset, self.samples)

    def present_name(self) -> str:
        """Return the dataset's name; raise `CurateError` if it has other samples now."""
        self.present_id()
        return self.dataset.name
