"""Caches: the open datasets, and the keys by which results over it are kept until their inputs change.

A cached result is shared by all sessions, so pages read it and never change it.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import streamlit as st

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, finished_run, open_dataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.networks.neighbours.words import end_with_parent
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace, find_workspace

P = ParamSpec("P")
T = TypeVar("T")

#: Samples of which a tenth of a second makes what follows a change of classes: seven microseconds of one.
_QUICK = 14_000
#: Each dataset, by its folder, as a page opened it last.
_OPEN: WeakValueDictionary[Path, OpenDataset] = WeakValueDictionary()


def open_shared(workspace: Workspace, dataset: str, run: str, edges: tuple[float, ...]) -> OpenDataset:
    """Open a dataset for all sessions, again when its files change; its samples hold what was decided until now."""
    folder = workspace.dataset(dataset)
    stamp = folder.stamp()
    opened = _table(str(workspace.root), dataset, run, edges, stamp)
    if not opened.decisions.current:  # its classes changed between its stamp and its opening, and have changed back
        _table.clear(str(workspace.root), dataset, run, edges, stamp)
        opened = _table(str(workspace.root), dataset, run, edges, folder.stamp())
    opened.refresh()
    _OPEN[opened.dataset.root] = opened
    return opened


def any_opened(workspace: Workspace, dataset: str, *, current: bool = True) -> OpenDataset:
    """Return a dataset in which decisions can be made: one that a page has open, else open it anew.

    Where it need not be `current`, its samples may be those of an earlier import, or have other classes.
    """
    opened = _OPEN.get(workspace.dataset(dataset).root)
    if opened is None or (current and not opened.decisions.current):
        return _opened(workspace, dataset)
    return opened


@st.cache_resource(max_entries=6, show_spinner="Opening the dataset …")
def _table(root: str, dataset: str, run: str, edges: tuple[float, ...], stamp: str) -> OpenDataset:
    return _opened(Workspace(root), dataset, run or None, edges)


def _opened(
    workspace: Workspace, dataset: str, run: str | None = None, edges: tuple[float, ...] | None = None
) -> OpenDataset:
    """Open a dataset; labels and scores by the classes of today are made beside this process where they are many."""
    record = workspace.dataset(dataset).record
    if record.changes and record.samples > _QUICK:
        worker("tables").submit(_make_today, workspace.root, dataset, run).result()
    return open_dataset(workspace, dataset, run, edges=edges)


def _make_today(root: Path, name: str, run: str | None) -> None:
    dataset = Workspace(root).dataset(name)
    today_run = finished_run(dataset, run)
    _ = dataset.samples_path, today_run and today_run.scores_today


@st.cache_resource(show_spinner=False)
def worker(kind: str) -> ProcessPoolExecutor:
    """Return a process of its own for work of a kind, which would keep this one from answering."""
    return ProcessPoolExecutor(1, get_context("spawn"), end_with_parent)


def beside(
    work: Callable[..., T], samples: SampleTable, run: RunFolder | None, part: Votes | DatasetFolder, *more: Any
) -> T:
    """Return `work(samples, run, part, *more)`, computed beside this process where there are many samples.

    There the dataset is opened again, which hands `work` what its first parameters name.
    """
    if samples.size <= _QUICK:
        return work(samples, run, part, *more)
    name = None
    if run is not None:
        name = run.name
    return worker("tables").submit(_in_worker, work, find_workspace().root, samples.name, name, *more).result()


def _in_worker(work: Callable[..., T], root: Path, name: str, run: str | None, *more: Any) -> T:
    return open_dataset(Workspace(root), name, run).hand(work, *more)


def _run_key(run: RunFolder) -> str:
    return file_key(run.scores_path)


def votes_key(votes: Votes) -> str:
    """Return a text that changes with every answer, status and choice, and with the samples."""
    return f"{votes.samples.key}\n{votes.log.columns(votes.dataset.id).version}"


def _training_key(training: TrainingFolder) -> str:
    steps = training.evaluations()["step"]
    return f"{training.root} {len(steps)} {steps.max()} {training.complete}"


def file_key(path: Path) -> str:
    """Return a text that changes when a file is written again."""
    return f"{path} {path.stat().st_mtime_ns}"


#: Keys of what is open, of filters and trainings among the arguments of cached functions; a page adds its own types.
#: Samples have votes and decisions as they have read them: what they have yet to read is not in a result either.
HASH_FUNCS: dict[str | type, Any] = {
    SampleTable: lambda samples: samples.key,
    Decisions: lambda decisions: decisions.samples.key,
    Votes: votes_key,
    RunFolder: _run_key,
    NeighbourGraph: lambda graph: file_key(graph.scores_path),
    PredictionFolder: lambda prediction: file_key(prediction.scores_path),
    DatasetFolder: lambda dataset: f"{dataset.root}\n{dataset.stamp()}",
    Workspace: lambda workspace: str(workspace.root),
    Filters: Filters.to_query,
    TrainingFolder: _training_key,
    OpenDataset: lambda opened: votes_key(opened.votes),
}


def kept(
    spinner: str | bool = False, *, most: int = 8, funcs: dict[str | type, Any] = HASH_FUNCS
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that keeps the newest results of a function for all sessions."""
    return st.cache_resource(max_entries=most, show_spinner=spinner, hash_funcs=funcs)


@kept(most=256)
def count(samples: SampleTable, filters: Filters) -> int:
    """Return the number of samples that satisfy the filters."""
    return samples.count(filters)
