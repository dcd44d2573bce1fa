"""Opens a dataset with one model run as a single table, and keeps its annotations and votes up to date."""

import threading
from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.data.datasets import DatasetFolder, DatasetRecord, VotesRecord
from avhcurate.data.prediction import PredictionFolder
from avhcurate.data.runs import RunFolder, RunRecord
from avhcurate.data.trainings import TrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.neighbours.graph import NeighbourGraph
from avhcurate.scores import SCORES
from avhcurate.table.filters import Filters
from avhcurate.table.logs import open_events, open_response_log
from avhcurate.table.predicted import predicted_frame
from avhcurate.table.sample_table import SampleTable
from avhcurate.votes import bins
from avhcurate.votes.counting import VoteCounter


class DatasetTable(SampleTable):
    """The joined table of a dataset and a model run (None before any), with annotations and votes."""

    def __init__(
        self, workspace: Workspace, dataset: DatasetFolder, run: RunFolder | None, edges: Sequence[float] | None = None
    ) -> None:
        self.dataset, self.run = dataset, run
        self.log = open_events(workspace)
        self.response_log = open_response_log(workspace)
        self.edges = tuple(bins.check_edges(edges))
        self._refreshing = threading.Lock()
        record = dataset.record
        #: The dataset's own classes, by which relabels are stored; `classes` may have more, of the run.
        self.own_classes = tuple(record.classes)
        #: The import whose samples these are.
        self.fingerprint = record.fingerprint
        #: The training that the run's weights come from, whose scores the table has; None where there is none.
        self.training = training_of(dataset, run) if run else None
        #: The one that learnt from samples of this dataset and recorded some of them, held out here or elsewhere.
        self.learnt = learning_of(workspace, dataset, run) if run else None
        #: The newest prediction of HSF, whose columns the table has; None before `avhcurate predict`.
        self.prediction = PredictionFolder.newest(dataset, record.fingerprint)
        graph = NeighbourGraph.of_run(run) if run else None
        #: The run's neighbour graph; None before it is complete.
        self.neighbours = graph if graph and graph.complete else None
        #: Counts the votes behind the HSF columns.
        self.counter = VoteCounter(dataset, self.response_log)
        super().__init__(
            dataset.samples_path,
            run.scores_path if run else None,
            self._voted if self.votes else None,
            class_names(record, run.record if run else None),
            neighbours=self.neighbours.scores_path if self.neighbours else None,
            dynamics=self.training.dynamics_path if self.training else None,
            train_dynamics=self.learnt.train_dynamics_path if self.learnt else None,
            quality=dataset.quality.columns_path if dataset.quality.ready(record.fingerprint) else None,
            predicted=predicted_frame(self.prediction, self.edges) if self.prediction else None,
            harder=record.harder,
        )
        #: Number of the newest event that this table holds.
        self.annotated = -1
        #: How often samples were excluded or included since this was opened.
        self.exclusions = 0
        #: The event that saved each set.
        self._set_entries = dict[str, int]()
        self.refresh()
        self.present_id()  # an import that came between would have mixed two

    @property
    def current(self) -> bool:
        """Whether these are still the dataset's samples: it may have been removed or imported again."""
        try:
            self.present_id()
        except CurateError:
            return False
        return True

    def present_id(self) -> str:
        """Return the dataset's id, for writing about its samples; refuse where these are no longer its samples."""
        if not (self.dataset.root / self.dataset.FILE).exists():
            raise CurateError("The dataset was removed. Choose another one.")
        self.dataset.refuse_another_import(self.fingerprint, again="open it again")
        return self.dataset.id

    def present_name(self) -> str:
        """Return the dataset's name; refuse where these are no longer its samples."""
        self.present_id()
        return self.dataset.name

    @property
    def table(self) -> pd.DataFrame:
        """Every sample, excluded ones too, as a pandas DataFrame."""
        return self.frame()

    @property
    def votes(self) -> VotesRecord | None:
        """The record of the votes behind HSF: those attached when this was opened, and collected ones."""
        return self.counter.record

    def _voted(self, ids: range) -> pd.DataFrame:
        """The HSF columns of those of some ids that have votes."""
        voted = ids.start + np.flatnonzero(self.counter.counts.votes[ids.start : ids.stop])
        return self.counter.frame(voted, self.edges)

    def vote_counts(self, id: int | None = None) -> pd.DataFrame | None:
        """Those votes by id, or of one sample: k-way `id, counts`, tick `id, selected, shown`; None without any."""
        return self.counter.votes(id)

    @property
    def simulated(self) -> bool:
        """Whether the votes come from a simulated panel and not from people."""
        return bool(self.votes and self.votes.simulated)

    @property
    def set_sizes(self) -> dict[str, int]:
        """Number of samples in each stored set, by name."""
        return dict.fromkeys(self.sets, 0) | dict(self.query("SELECT name, count(*) FROM memberships GROUP BY name"))

    def edges_from(self, text: str, filters: Filters) -> tuple[float, ...]:
        """Edges of HSF bins from text, as for `votes.bins.edges_of`: "q5" for five of about equally many samples, among
        those that satisfy the filters.
        """
        return bins.edges_of(text, self.frame(filters, columns=["hsf"])["hsf"].to_numpy(float))

    def refresh(self) -> None:
        """Reads annotations, stored sets and votes that were written since, by any process."""
        # One at a time: else a thread could overwrite a newer state with an older one.
        with self._refreshing:
            version = self.log.version(self.dataset.id)
            if version != self.annotated:
                self._refresh_sets()
                newer = self.log.state(self.dataset.id, self.own_classes, since=max(0, self.annotated))
                self.exclusions += self.annotate(newer, whole=self.annotated <= 0)
                self.annotated = version
            if len(changed := self.counter.update()):
                self.update_votes(self.counter.frame(changed, self.edges))

    def _refresh_sets(self) -> None:
        now = {entry.name: entry.id for entry in self.log.saved(self.dataset.id, "set")}
        new = {key: self.log.members(entry) for key, entry in now.items() if self._set_entries.get(key) != entry}
        self.update_sets(new | dict.fromkeys(self._set_entries.keys() - now))
        self._set_entries = now


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
    return DatasetTable(workspace, dataset, run, edges)


def training_of(dataset: DatasetFolder, run: RunFolder) -> TrainingFolder | None:
    """The finished training whose weights the run scored; of several, the one with most held-out samples."""
    made = _that_made(dataset, run)
    matching = [training for training in made if training.record.held_out_fingerprint == dataset.record.fingerprint]
    return max(matching, key=lambda training: training.record.held_out_samples, default=None)


def learning_of(workspace: Workspace, dataset: DatasetFolder, run: RunFolder) -> TrainingFolder | None:
    """The finished training whose weights the run scored and which recorded samples of this dataset that it learnt
    from; it lies with the dataset that it held out."""
    others = (workspace.dataset(name) for name in workspace.names() if name != dataset.name)
    homes = [dataset, *others]
    for training in (training for home in homes for training in _that_made(home, run)):
        if training.train_dynamics_path and training.record.dataset_fingerprint == dataset.record.fingerprint:
            return training
    return None


def _that_made(home: DatasetFolder, run: RunFolder) -> list[TrainingFolder]:
    """The finished trainings of a dataset whose weights a run scored."""
    try:
        finished = [training for training in home.trainings() if training.complete]
    except CurateError:  # a damaged training must not keep a dataset from opening: its own page says what is wrong
        return []
    return [training for training in finished if training.record.weights_sha256 == run.record.weights_sha256]


def class_names(dataset: DatasetRecord, run: RunRecord | None) -> list[str]:
    """Names by label: the dataset's, then the model's where labels alone do not say how many classes there are."""
    if run is None or dataset.classes_declared:
        return dataset.classes
    numbers = [str(number) for number in range(run.num_classes)]
    names = run.classes if len(run.classes) == run.num_classes else numbers
    more = zip(names, numbers, strict=True)
    unique = [f"{name} ({number})" if name in dataset.classes else name for name, number in more]
    return dataset.classes + unique[len(dataset.classes) :]


def check_scores(table: SampleTable, keys: Sequence[str]) -> None:
    """Refuses scores that the table does not have, and an empty list, saying why."""
    missing = [key for key in keys if key not in table.scores]
    if trained := [key for key in missing if key in SCORES and SCORES[key].training]:
        raise CurateError(
            f"{', '.join(trained)} come from the epochs of a training, and this run has none: "
            "run `avhcurate train NAME --model MODEL`, or choose the run of a training by --model"
        )
    if missing or not keys:
        names = ", ".join(missing) or "(none given)"
        raise CurateError(f"no score is called {names}: choose from {', '.join(table.scores)}")
