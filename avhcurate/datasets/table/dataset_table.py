"""Open a dataset with one model run as a single table, and keep its annotations and votes up to date."""

import threading
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.datasets.table.columns import COUNT_DECIDED
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import all_trainings
from avhcurate.errors import CurateError, Option, Run
from avhcurate.measures.scores import SCORES
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.people import bins
from avhcurate.people.counting import VoteCounter
from avhcurate.people.log import open_response_log
from avhcurate.workspace.data.dataset_records import DatasetRecord, VotesRecord
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.logs import locked_paths, open_events
from avhcurate.workspace.data.prediction import PREDICTED, PredictionFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace


class DatasetTable(SampleTable):
    """The joined table of a dataset and a model run (None before any), with annotations and votes."""

    def __init__(
        self, workspace: Workspace, dataset: DatasetFolder, run: RunFolder | None, edges: Sequence[float] | None = None
    ) -> None:
        self.workspace = workspace
        self.dataset = dataset
        self.run = run
        self.log = open_events(workspace.root)
        self.response_log = open_response_log(workspace.root)
        self.edges = tuple(bins.check_edges(edges))
        self._refreshing = threading.Lock()
        record = dataset.record
        #: The dataset's own classes, by which relabels are stored; `classes` may have more, of the run.
        self.own_classes = tuple(record.classes)
        #: The import whose samples these are, and the same with the classes of now.
        self.imported = record.fingerprint
        self.fingerprint = record.version
        #: The training that the run's weights come from, with the scores of its held-out samples.
        self.training: TrainingFolder | None = None
        #: The one that learnt from samples of this dataset, and recorded some of them.
        self.learnt: TrainingFolder | None = None
        #: The run's neighbour graph, once it is complete.
        self.neighbours: NeighbourGraph | None = None
        #: The newest prediction of HSF; None before `avhcurate predict`.
        self.prediction = PredictionFolder.newest(dataset, record.version, dataset.locked_by)
        #: Counts the votes behind the HSF columns.
        self.counter = VoteCounter(dataset, self.response_log)
        files = {"samples": dataset.samples_path}
        if run:
            files["scores"] = run.scores_today
            self.training, self.learnt = trainings_of(dataset, run)
            graph = NeighbourGraph.of_run(run)
            if graph.complete:
                self.neighbours = graph
                files["neighbours"] = graph.scores_path
            if run.words_path.exists():
                files["words"] = run.words_path
        if self.training and self.training.dynamics_path:
            files["dynamics"] = self.training.dynamics_path
        if self.learnt and self.learnt.train_dynamics_path:
            files["train_dynamics"] = self.learnt.train_dynamics_path
        if dataset.quality.ready(record.fingerprint):
            files["quality"] = dataset.quality.columns_path
        classes = class_names(record, run)
        super().__init__(
            files,
            classes,
            votes=self._voted,
            bins=list(bins.bin_labels(self.edges)),
            predicted=self._predicted(),
            harder=record.harder,
            parents=record.parents_of(classes),
        )
        #: Number of the newest event that this table holds.
        self.annotated = -1
        #: The key of the votes that it holds, "" without any.
        self.counted = ""
        #: The number of the event that locked a part, 0 where no part is locked.
        self.locked_by = 0
        #: How often samples were excluded, included or locked since this was opened.
        self.exclusions = 0
        #: How many samples are relabelled, excluded and kept, up to the event of a number.
        self._decided = (-1, (0, 0, 0))
        #: The event that saved each set.
        self._set_entries = dict[str, int]()
        self.refresh()
        self.present_id()  # an import that came between would have mixed two

    def _predicted(self) -> pa.Table | None:
        if self.prediction is None:
            return None
        rows = pq.read_table(self.prediction.scores_path, columns=["id", *PREDICTED])
        index = bins.bin_index(rows["hsf_predicted"].to_numpy(), self.edges)
        names = pa.array([*bins.bin_labels(self.edges), None])  # the last is that of bin -1
        return rows.append_column("hsf_predicted_bin", names.take(pa.array(index % len(names))))

    @property
    def version(self) -> str:
        """Short fingerprint of the samples and their classes, in addresses of images and in decisions of browsers."""
        return self.fingerprint[:12]

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
        if not (self.dataset.root / self.dataset.FILE).exists():
            raise CurateError("The dataset was removed. Choose another one.")
        record = self.dataset.record
        if record.version != self.fingerprint or record.parents_of(self.classes) != self.parents:
            raise CurateError(
                f"Dataset {self.dataset.name!r} was imported again since, or its classes changed: open it again."
            )
        return self.dataset.id

    def present_name(self) -> str:
        """Return the dataset's name; raise `CurateError` if it has other samples now."""
        self.present_id()
        return self.dataset.name

    @property
    def table(self) -> pd.DataFrame:
        """Every sample, also excluded ones, as a pandas DataFrame."""
        return self.frame()

    @property
    def votes(self) -> VotesRecord | None:
        """The record of the votes behind HSF: those attached when this was opened, and collected ones."""
        return self.counter.record

    def _voted(self, ids: range) -> pa.Table:
        """Return the HSF columns of the samples with votes among some ids."""
        voted = ids.start + np.flatnonzero(self.counter.counts.votes[ids.start : ids.stop])
        return self.counter.hsf_columns(voted, self.edges)

    def vote_counts(self, id: int | None = None) -> pd.DataFrame | None:
        """Return these votes by id, or of one sample: k-way `id, counts`, tick `id, selected, shown`; None without."""
        return self.counter.votes(id)

    @property
    def simulated(self) -> bool:
        """Whether the votes come from simulated annotators."""
        return bool(self.votes and self.votes.simulated)

    @property
    def set_sizes(self) -> dict[str, int]:
        """Number of samples in each stored set, by name."""
        return dict.fromkeys(self.sets, 0) | dict(self.query("SELECT name, count(*) FROM memberships GROUP BY name"))

    @property
    def decided(self) -> tuple[int, int, int]:
        """How many samples are relabelled, excluded, and kept as they are by a tag: counted once after each event."""
        entry = self.annotated
        if self._decided[0] != entry:
            ((relabelled, excluded, kept),) = self.query(COUNT_DECIDED)
            self._decided = entry, (relabelled, excluded, kept)
        return self._decided[1]

    def edges_from(self, text: str, filters: Filters) -> tuple[float, ...]:
        """Return edges of HSF bins from text, as `votes.bins.edges_of` does: "q5" for five bins of about equally many
        of the samples that satisfy the filters.
        """
        return bins.edges_of(text, self.frame(filters, columns=["hsf"])["hsf"].to_numpy(float))

    def refresh(self) -> None:
        """Read annotations, stored sets and votes that any process has written since."""
        # One at a time, so that no thread overwrites a newer state with an older one.
        with self._refreshing:
            version = self.log.version(self.dataset.id)
            if version != self.annotated:
                self._refresh_sets()
                self._refresh_lock()
                newer = self.log.state(self.dataset.id, self.own_classes, since=max(0, self.annotated))
                self.exclusions += self.annotate(newer)
                self.annotated = version
            if len(changed := self.counter.update()):
                self.update_votes(self.counter.hsf_columns(changed, self.edges))
            self.counted = self.votes.key if self.votes else ""

    def _refresh_lock(self) -> None:
        locked_by = self.dataset.locked_by
        if locked_by != self.locked_by:
            self.mark_locked(locked_paths(self.workspace.root, self.dataset.id))
            self.locked_by = locked_by
            self.exclusions += 1

    def _refresh_sets(self) -> None:
        now = {entry.name: entry.id for entry in self.log.saved(self.dataset.id, "set")}
        new = {key: self.log.members(entry) for key, entry in now.items() if self._set_entries.get(key) != entry}
        self.update_sets(new | dict.fromkeys(self._set_entries.keys() - now))
        self._set_entries = now


def open_table(
    workspace: Workspace, name: str, model: str | None = None, *, edges: Sequence[float] | None = None
) -> DatasetTable:
    """Return the table of dataset `name` with the run of `model` (a run's or a model's name; None: the default one).

    Without any run the score columns are null; a model that was not run is refused.
    """
    dataset = workspace.dataset(name)
    return DatasetTable(workspace, dataset, finished_run(dataset, model), edges)


def finished_run(dataset: DatasetFolder, model: str | None) -> RunFolder | None:
    """Return the run of `model` (None: the default one, if there is one); an unfinished one is refused."""
    if model is None:
        return dataset.default_run
    run = dataset.run(model)
    if not run.complete:
        raise CurateError(
            f"The run {run.root.name} is not finished.", fix=f"{Run('score', dataset.name, '...')} again to resume it"
        )
    return run


def trainings_of(dataset: DatasetFolder, run: RunFolder) -> tuple[TrainingFolder | None, TrainingFolder | None]:
    """Return the finished trainings whose weights the run scored: one that held out samples of this dataset (the one
    that held out most), and one that recorded samples of this dataset that it learnt from.
    """
    fingerprint = dataset.record.fingerprint
    held_out = {}
    learnt = []
    for training, record in all_trainings(dataset):
        if not training.complete or record.weights_sha256 != run.record.weights_sha256:
            continue
        if record.held_out_fingerprint == fingerprint:
            held_out[training] = record.held_out_samples
        if record.dataset_fingerprint == fingerprint and training.train_dynamics_path:
            learnt.append(training)
    return max(held_out, key=held_out.__getitem__, default=None), next(iter(learnt), None)


def class_names(dataset: DatasetRecord, run: RunFolder | None) -> list[str]:
    """Return names by label: the dataset's, then the model's if labels do not say how many classes there are."""
    if run is None or dataset.classes_declared or dataset.changes:
        return dataset.classes
    names = dataset.classes
    others = run.record.classes
    numbers = [str(number) for number in range(run.record.num_classes)]
    if len(others) != len(numbers):
        return names + numbers[len(names) :]
    renamed = {name: f"{name} ({number})" for number, name in zip(numbers, others, strict=True) if name in names}
    return names + [renamed.get(name, name) for name in others[len(names) :]]


def check_scores(table: SampleTable, keys: Sequence[str]) -> None:
    """Refuse scores that the table does not have, and an empty list, with the reason."""
    missing = [key for key in keys if key not in table.scores]
    if trained := [key for key in missing if key in SCORES and SCORES[key].training]:
        raise CurateError(
            f"{', '.join(trained)} need a recorded training, and this run has none.",
            fix=f"{Run('train', 'NAME', model='MODEL')}, or choose the run of a training with {Option('model')}",
        )
    if missing or not keys:
        raise CurateError(f"Unknown score {', '.join(missing)}. Choose from {', '.join(table.scores)}.")
