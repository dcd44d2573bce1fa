"""Runs on pages: their accuracy, kept until a run is written again, and what they are called in a choice."""

from pathlib import Path

import streamlit as st

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.scoring.accuracy import Accuracy, accuracy_of, chance_warning
from avhcurate.table.titles import learnt_here, titles
from avhcurate.ui.cache import file_key
from avhcurate.ui.user_errors import plain


def run_accuracy(dataset: DatasetFolder, run: RunFolder) -> Accuracy:
    """The accuracy of a complete run."""
    return _accuracy(str(dataset.root), run.name, f"{dataset.record.fingerprint} {file_key(run.scores_path)}")


@st.cache_data(max_entries=200, show_spinner=False)
def _accuracy(root: str, run: str, stamp: str) -> Accuracy:
    dataset = DatasetFolder(Path(root))
    return accuracy_of(dataset, dataset.run(run))


def warn_of_chance(dataset: DatasetFolder, run: RunFolder) -> None:
    """Says on a page that the open run does no better than guessing, where that is so."""
    if warning := chance_warning(dataset, run, run_accuracy(dataset, run)):
        st.warning(plain(warning), icon=":material/casino:")


def run_titles(dataset: DatasetFolder) -> dict[str, str]:
    """What a choice calls the runs of a dataset, by name: title, accuracy, and whether they learnt from its samples."""
    called, learnt = titles(dataset), learnt_here(dataset)
    parts = {run.name: [called[run.name], _percent(dataset, run), learnt.get(run.name)] for run in dataset.runs()}
    return {name: " · ".join(filter(None, each)) for name, each in parts.items()}


def _percent(dataset: DatasetFolder, run: RunFolder) -> str:
    n, value, *_ = run_accuracy(dataset, run).estimate if run.complete else (0, 0.0)
    return f"{100 * value:.1f} %" if n else ""
