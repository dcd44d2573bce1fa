"""Caches: the sample table, and the keys by which results over it are kept until their inputs change.

A cached result is shared by all sessions, so pages read it and never change it.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable, finished_run, open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.networks.neighbours.words import end_with_parent
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace

P = ParamSpec("P")
T = TypeVar("T")

#: Samples of which a tenth of a second makes what follows a change of classes: seven microseconds of one.
_QUICK = 14_000
#: The table of each dataset, by its folder, that a page opened last.
_OPEN: WeakValueDictionary[Path, DatasetTable] = WeakValueDictionary()


def table(workspace: Workspace, dataset: str, run: str, edges: tuple[float, ...]) -> DatasetTable:
    """Return the sample table, shared by all sessions and opened again when its files change; annotations are new."""
    opened = _table(str(workspace.root), dataset, run, edges, workspace.dataset(dataset).stamp())
    opened.refresh()
    _OPEN[opened.dataset.root] = opened
    return opened


def any_table(workspace: Workspace, dataset: str, *, current: bool = True) -> DatasetTable:
    """Return a table of a dataset in which decisions can be made: one that a page has open, else a new one.

    Where it need not be `current`, its samples may be those of an earlier import, or have other classes.
    """
    opened = _OPEN.get(workspace.dataset(dataset).root)
    if opened is None or (current and not opened.current):
        return _opened(workspace, dataset)
    return opened


@st.cache_resource(max_entries=6, show_spinner="Opening the dataset …")
def _table(root: str, dataset: str, run: str, edges: tuple[float, ...], stamp: str) -> DatasetTable:
    return _opened(Workspace(root), dataset, run or None, edges)


def _opened(
    workspace: Workspace, dataset: str, run: str | None = None, edges: tuple[float, ...] | None = None
) -> DatasetTable:
    """Open a table; labels and scores by the classes of today are made beside this process where they are many."""
    record = workspace.dataset(dataset).record
    if record.changes and record.samples > _QUICK:
        worker("tables").submit(_make_today, workspace.root, dataset, run).result()
    return open_table(workspace, dataset, run, edges=edges)


def _make_today(root: Path, name: str, run: str | None) -> None:
    dataset = Workspace(root).dataset(name)
    chosen = finished_run(dataset, run)
    _ = dataset.samples_path, chosen and chosen.scores_today


@st.cache_resource(show_spinner=False)
def worker(kind: str) -> ProcessPoolExecutor:
    """Return a process of its own for work of a kind, which would keep this one from answering."""
    return ProcessPoolExecutor(1, get_context("spawn"), end_with_parent)


def beside(work: Callable[..., T], table: DatasetTable, *more: Any) -> T:
    """Return `work(table, *more)`, computed beside this process where the table has many samples."""
    if table.size <= _QUICK:
        return work(table, *more)
    run = table.run.name if table.run else None
    return worker("tables").submit(_with_table, work, table.workspace.root, table.dataset.name, run, *more).result()


def _with_table(work: Callable[..., T], root: Path, name: str, run: str | None, *more: Any) -> T:
    return work(open_table(Workspace(root), name, run), *more)


def cache_key(table: DatasetTable) -> str:
    """Return a text that changes with everything that a result over the table depends on.

    That is samples, votes, run, bins, annotations, sets, which filters name, and the harder end of a user's column.
    Votes and annotations count as the table has read them: what it has yet to read is not in its results either.
    """
    record = table.dataset.record
    parts = [str(table.dataset.root), repr(table.edges)]
    parts += [table.fingerprint, repr(sorted(record.harder.items())), str(table.annotated), table.counted]
    parts += [file_key(scored.scores_path) for scored in (table.run, table.neighbours, table.prediction) if scored]
    parts += [file_key(training.dynamics_path) for training in (table.training, table.learnt) if training]
    parts += table.words
    if table.measured:
        parts.append(file_key(table.dataset.quality.columns_path))
    return "\n".join(parts)


def _votes_key(table: DatasetTable) -> str:
    return f"{cache_key(table)}\n{table.response_log.columns(table.dataset.id).version}"


def _training_key(training: TrainingFolder) -> str:
    steps = training.evaluations()["step"]
    return f"{training.root} {len(steps)} {steps.max()} {training.complete}"


def file_key(path: Path) -> str:
    """Return a text that changes when a file is written again."""
    return f"{path} {path.stat().st_mtime_ns}"


#: Keys of tables, filters and trainings among the arguments of cached functions; a page adds its own types.
HASH_FUNCS: dict[str | type, Any] = {
    DatasetTable: cache_key,
    Filters: Filters.to_query,
    TrainingFolder: _training_key,
}

#: The same for results over the collected votes, which change with every answer, status and choice.
VOTES_HASH = HASH_FUNCS | {DatasetTable: _votes_key}


def kept(
    spinner: str | bool = False, *, most: int = 8, funcs: dict[str | type, Any] = HASH_FUNCS
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that keeps the newest results of a function for all sessions."""
    return st.cache_resource(max_entries=most, show_spinner=spinner, hash_funcs=funcs)


@kept(most=256)
def count(table: DatasetTable, filters: Filters) -> int:
    """Return the number of samples that satisfy the filters."""
    return table.count(filters)
