"""What pages say of a run and of votes: the name and accuracy of a run, its neighbours, biased queues."""

from pathlib import Path

import streamlit as st

from avhcurate.datasets.table.titles import learnt_here, titles
from avhcurate.datasets.table.votes import Votes
from avhcurate.networks.neighbours.graph import OUTLIER, NeighbourGraph
from avhcurate.networks.neighbours.service import RECALL
from avhcurate.networks.scoring.accuracy import Accuracy, accuracy_of, chance_warning
from avhcurate.people.queues import QueueUse, queue_use
from avhcurate.ui.base.cache import file_key
from avhcurate.ui.base.text import counted, listed
from avhcurate.ui.base.user_errors import said
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder

_QUEUES = {
    "hardest": "hardest first",
    "disagreement": "where the models disagree most",
    "informative": "where votes teach the model most",
    "diverse": "varied and uncertain",
    "random": "in a random order",
    "fewest": "fewest votes first",
    "asked": "where somebody asked people",
    "decided": "where somebody had decided the label",
}
#: What is compared at the level of the parents of classes.
PARENTS = (
    "HSF of the parent: the share of votes for the parent of the label, or for one of its classes. AVH of the parent: "
    "the angle to the nearest class weight of its classes, over the sum of such angles of all parents."
)


# --- runs --------------------------------------------------------------------------------------------------------


def run_accuracy(dataset: DatasetFolder, run: RunFolder) -> Accuracy:
    """Return the accuracy of a complete run, kept until the run is written again."""
    return _accuracy(str(dataset.root), run.name, f"{dataset.record.version} {file_key(run.scores_path)}")


@st.cache_data(max_entries=200, show_spinner=False)
def _accuracy(root: str, run: str, stamp: str) -> Accuracy:
    dataset = DatasetFolder(Path(root))
    return accuracy_of(dataset, dataset.run(run))


def warn_of_chance(dataset: DatasetFolder, run: RunFolder) -> None:
    """Warn on a page if the open run does no better than guessing."""
    if warning := chance_warning(dataset, run, run_accuracy(dataset, run)):
        st.warning(said(warning), icon=":material/casino:")


def run_titles(dataset: DatasetFolder, *, whole: bool = True) -> dict[str, str]:
    """Return what a choice calls the runs of a dataset, by name: title, accuracy and, if `whole`, what they learnt."""
    called = titles(dataset)
    learnt = learnt_here(dataset) if whole else {}
    parts = {run.name: [called[run.name], _percent(dataset, run), learnt.get(run.name)] for run in dataset.runs()}
    return {name: " · ".join(filter(None, title)) for name, title in parts.items()}


def _percent(dataset: DatasetFolder, run: RunFolder) -> str:
    if not run.complete:
        return ""
    n, value, *_ = run_accuracy(dataset, run).estimate
    if not n:
        return ""
    return f"{100 * value:.1f} %"


def neighbours_note(graph: NeighbourGraph | None) -> str:
    """Return a sentence for results of the neighbour graph; "" if it holds enough, or there is none."""
    if graph is None or graph.record.recall is None or graph.record.recall >= RECALL:
        return ""
    share = f"{graph.record.recall:.1%} of the {OUTLIER} nearest images"
    return f"Some neighbours are missing: the neighbour graph holds {share} (goal {RECALL:.0%})."


# --- votes -------------------------------------------------------------------------------------------------------


def queue_sentence(use: QueueUse, *, weighs: bool = False) -> str:
    """Return what a biased queue means for correlations; "" if none asked. `weighs`: the page shows weighted ones.

    >>> print(queue_sentence(QueueUse({"hardest": 30})))
    The votes were collected hardest first (30 votes): correlations are those of such images, not of the dataset, \
and mostly weaker. The queue kept no chances of every image, so they cannot be corrected.
    """
    if not use.biased:
        return ""
    names = listed([f"{_QUEUES.get(queue, queue)} ({counted(n, 'vote')})" for queue, n in use.votes.items()])
    advice = "The Correlation page weights them by the chance of each image to be asked about."
    if use.weights is None:
        advice = "The queue kept no chances of every image, so they cannot be corrected."
    elif weighs:
        advice = "The column *weighted* counts every image by the inverse of its chance to be asked about."
    text = f"The votes were collected {names}: correlations are those of such images, not of the dataset, and mostly"
    return f"{text} weaker. {advice}"


def show_queue_note(votes: Votes) -> None:
    """Show the sentence as a warning, if there is one."""
    if text := queue_sentence(queue_use(votes)):
        st.warning(text, icon=":material/filter_alt:")
