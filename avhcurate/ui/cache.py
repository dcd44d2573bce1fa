"""Thin cache shells: what is expensive to open, keyed by what it was made of."""

import streamlit as st

from avhcurate.services.tables import DatasetTable, open_table
from avhcurate.storage.workspace import Workspace


def table(workspace: Workspace, dataset: str, run: str, edges: tuple[float, ...]) -> DatasetTable:
    """The sample table, opened once for all sessions and again when its files change; annotations are up to date."""
    opened = _table(str(workspace.root), dataset, run, edges, _stamp(workspace, dataset))
    opened.refresh()
    return opened


@st.cache_resource(max_entries=6, show_spinner="Opening the dataset …")
def _table(root: str, dataset: str, run: str, edges: tuple[float, ...], stamp: str) -> DatasetTable:
    return open_table(Workspace(root), dataset, run or None, edges=edges)


def _stamp(workspace: Workspace, dataset: str) -> str:
    """Changes when the dataset is imported again, gets votes or measures, or a run or a training is finished."""
    folder = workspace.datasets / dataset
    patterns = ("runs/*/run.json", "training/*/training.json")
    files = [
        folder / "dataset.json",
        folder / "quality" / "columns.parquet",
        *(file for pattern in patterns for file in sorted(folder.glob(pattern))),
    ]
    return " ".join(f"{file.parent.name}:{file.stat().st_mtime_ns}" for file in files if file.exists())
