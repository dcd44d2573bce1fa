"""Caches: the sample table, and the keys by which results over it are kept until their inputs change.

A result that is cached is shared by all sessions, so pages read it and never change it.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.data.trainings import TrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.table.dataset_table import DatasetTable, open_table
from avhcurate.table.filters import Filters


def table(workspace: Workspace, dataset: str, run: str, edges: tuple[float, ...]) -> DatasetTable:
    """The sample table, shared by all sessions and opened again when its files change; annotations are up to date."""
    opened = _table(str(workspace.root), dataset, run, edges, workspace.dataset(dataset).stamp())
    opened.refresh()
    return opened


@st.cache_resource(max_entries=6, show_spinner="Opening the dataset …")
def _table(root: str, dataset: str, run: str, edges: tuple[float, ...], stamp: str) -> DatasetTable:
    return open_table(Workspace(root), dataset, run or None, edges=edges)


def cache_key(table: DatasetTable) -> str:
    """Changes with all that a result over the table depends on: samples, votes, run, bins, annotations, stored sets,
    which filters name, and which end of a column of the user's is harder.
    """
    record, run = table.dataset.record, table.run
    parts = [
        str(table.dataset.root),
        record.fingerprint,
        table.votes.key if table.votes else "",
        f"{run.root.name} {run.scores_path.stat().st_mtime_ns}" if run else "",
        str(table.neighbours.scores_path.stat().st_mtime_ns) if table.neighbours else "",
        f"{table.training.name} {table.training.dynamics_path.stat().st_mtime_ns}" if table.training else "",
        f"{table.learnt.name} {table.learnt.dynamics_path.stat().st_mtime_ns}" if table.learnt else "",
        ",".join(map(repr, table.edges)),
        str(table.dataset.quality.columns_path.stat().st_mtime_ns) if table.measured else "",
        file_key(table.prediction.scores_path) if table.prediction else "",
        str(table.log.version(table.dataset.id)),
        repr(sorted(record.harder.items())),
    ]
    return "\n".join(parts)


def _training_key(training: TrainingFolder) -> str:
    steps = training.evaluations()["step"]
    return f"{training.root} {len(steps)} {steps.max() if len(steps) else ''} {training.complete}"


def file_key(path: Path) -> str:
    """Changes when a file is written again."""
    return f"{path} {path.stat().st_mtime_ns}"


#: Keys of tables, filters and trainings among the arguments of cached functions; a page adds its own types.
HASH_FUNCS: dict[str | type, Any] = {
    DatasetTable: cache_key,
    Filters: Filters.to_query,
    TrainingFolder: _training_key,
}
