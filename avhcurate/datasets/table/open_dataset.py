"""Open a dataset with one model run: its samples, outputs, votes and decisions, kept up to date together."""

from collections.abc import Callable, Sequence
from inspect import signature
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import all_trainings
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Run
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.people import bins
from avhcurate.people.log import open_response_log
from avhcurate.workspace.data.consensus import ConsensusFolder
from avhcurate.workspace.data.dataset_records import DatasetRecord
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.prediction import PREDICTED, PredictionFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace

T = TypeVar("T")
#: What an open dataset hands out, by the name that a function has for it.
PARTS = ("workspace", "dataset", "samples", "run", "votes", "decisions", "neighbours", "prediction", "consensus")


class OpenDataset:
    """A dataset opened with one of its runs, None before any: one place that hands each study what the study names.

    `samples` are its rows with scores, HSF and decisions, `run` has the outputs of a network, `votes` the answers of
    people, and `decisions` what people have decided about the samples.
    """

    def __init__(
        self, workspace: Workspace, dataset: DatasetFolder, run: RunFolder | None, edges: Sequence[float] | None = None
    ) -> None:
        record = dataset.record
        self.workspace = workspace
        self.dataset = dataset
        self.run = run
        #: The run's neighbour graph, once it is complete.
        self.neighbours = _whole_graph(run)
        #: The training that the run's weights come from, with the scores of its held-out samples, and the one that
        #: learnt from samples of this dataset and recorded some of them.
        self.training, self.learnt = _trainings(dataset, run)
        #: The newest prediction of HSF; None before `avhcurate predict`.
        self.prediction = PredictionFolder.newest(dataset, record.version, dataset.locked_by)
        #: The newest consensus of people and network; None before `avhcurate consensus`.
        self.consensus = ConsensusFolder.newest(dataset, record.version, dataset.locked_by)
        self.votes = Votes(dataset, open_response_log(workspace.root), bins.check_edges(edges))
        classes = class_names(record, run)
        self.samples = SampleTable(
            self._files(record.fingerprint),
            classes,
            dataset=record,
            votes=self.votes.columns_of,
            edges=self.votes.edges,
            predicted=_predicted(self.prediction, self.votes.edges),
            harder=record.harder,
            parents=record.parents_of(classes),
        )
        self.votes.keep_in(self.samples)
        self.decisions = Decisions(dataset, open_events(workspace.root), self.samples)
        self.decisions.present_id()  # an import that came between would have mixed two

    def hand(self, work: Callable[..., T], *args: Any) -> T:
        """Return `work(*parts, *args)`: what its first parameters name of `PARTS`, and no more than that."""
        names = takewhile(PARTS.__contains__, signature(work).parameters)
        return work(*(getattr(self, name) for name in names), *args)

    def refresh(self) -> None:
        """Read what any process has decided, stored, locked and answered since into the samples."""
        self.decisions.refresh()
        self.votes.refresh()

    def _files(self, fingerprint: str) -> dict[str, Path]:
        """Return the files whose columns the samples have, by the names that `SampleTable` has for them."""
        found: dict[str, Path | None] = {"samples": self.dataset.samples_path}
        if self.run:
            found |= {"scores": self.run.scores_today, "words": self.run.words_path}
        if self.neighbours:
            found["neighbours"] = self.neighbours.scores_path
        if self.training:
            found["dynamics"] = self.training.dynamics_path
        if self.learnt:
            found["train_dynamics"] = self.learnt.train_dynamics_path
        if self.consensus:
            found["consensus"] = self.consensus.root / ConsensusFolder.TABLE
        if self.dataset.quality.ready(fingerprint):
            found["quality"] = self.dataset.quality.columns_path
        return {name: file for name, file in found.items() if file is not None and (name != "words" or file.exists())}


def _whole_graph(run: RunFolder | None) -> NeighbourGraph | None:
    if run is None:
        return None
    graph = NeighbourGraph.of_run(run)
    if graph.complete:
        return graph
    return None


def _trainings(dataset: DatasetFolder, run: RunFolder | None) -> tuple[TrainingFolder | None, TrainingFolder | None]:
    if run is None:
        return None, None
    return trainings_of(dataset, run)


def _predicted(prediction: PredictionFolder | None, edges: Sequence[float]) -> pa.Table | None:
    if prediction is None:
        return None
    rows = pq.read_table(prediction.scores_path, columns=["id", *PREDICTED])
    index = bins.bin_index(rows["hsf_predicted"].to_numpy(), edges)
    names = pa.array([*bins.bin_labels(edges), None])  # the last is that of bin -1
    return rows.append_column("hsf_predicted_bin", names.take(pa.array(index % len(names))))


def open_dataset(
    workspace: Workspace, name: str, model: str | None = None, *, edges: Sequence[float] | None = None
) -> OpenDataset:
    """Open dataset `name` with the run of `model` (a run's or a model's name; None: the default one).

    Without any run the score columns are null; a model that was not run is refused.
    """
    dataset = workspace.dataset(name)
    return OpenDataset(workspace, dataset, finished_run(dataset, model), edges)


def finished_run(dataset: DatasetFolder, model: str | None) -> RunFolder | None:
    """Return the run of `model` (None: the default one, if there is one); an unfinished one is refused."""
    if model is None:
        return dataset.default_run
    run = dataset.run(model)
    if not run.complete:
        verb = "score"
        if run.record.attached:
            verb = "attach"
        raise CurateError(
            f"The run {run.root.name} is not finished.", fix=f"{Run(verb, dataset.name, '...')} again to resume it"
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
    if run is None or run.today or dataset.classes_declared or dataset.changes:
        return dataset.classes
    names = dataset.classes
    others = run.record.classes
    numbers = [str(number) for number in range(run.record.num_classes)]
    if len(others) != len(numbers):
        return names + numbers[len(names) :]
    renamed = {name: f"{name} ({number})" for number, name in zip(numbers, others, strict=True) if name in names}
    return names + [renamed.get(name, name) for name in others[len(names) :]]
