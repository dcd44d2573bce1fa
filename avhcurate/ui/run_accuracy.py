"""The accuracy of runs on pages, kept until a run is written again."""

from pathlib import Path

import streamlit as st

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.scoring.accuracy import Accuracy, accuracy_of, chance_warning
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
