"""Which queue collected votes came from, where that bends correlations with HSF."""

import streamlit as st

from avhcurate.table.dataset_table import DatasetTable
from avhcurate.ui.text import counted, listed
from avhcurate.votes.queues import QueueUse, queue_use

_NAMES = {
    "hardest": "hardest first",
    "disagreement": "where the models disagree most",
    "informative": "where votes teach the model most",
    "random": "in a random order",
    "fewest": "fewest votes first",
}


def queue_sentence(use: QueueUse, *, weighs: bool = False) -> str:
    """What a biased queue means for correlations; "" where none asked. `weighs`: the page shows weighted ones.

    >>> print(queue_sentence(QueueUse({"hardest": 30})))
    The votes were collected hardest first (30 votes): correlations are those of such images, not of the dataset, \
and mostly weaker. The queue kept no chances, or not of every image, so they cannot be corrected; choose Draw or a \
random order for new votes, and save the settings again after an import.
    """
    if not use.biased:
        return ""
    names = listed([f"{_NAMES.get(queue, queue)} ({counted(n, 'vote')})" for queue, n in use.votes.items()])
    of = "correlations are those of such images, not of the dataset, and mostly weaker."
    text = f"The votes were collected {names}: {of}"
    if use.weights is None:
        advice = "choose Draw or a random order for new votes, and save the settings again after an import."
        return f"{text} The queue kept no chances, or not of every image, so they cannot be corrected; {advice}"
    if weighs:
        count = "count every image by the inverse of its chance to be asked about"
        return f"{text} The column *weighted*, the notes of the bins' cells and of the comparison {count}."
    return f"{text} The Correlation page weights them by the chance of each image to be asked about."


def show_queue_note(table: DatasetTable) -> None:
    """The sentence as a warning, where there is one to be said."""
    if text := queue_sentence(queue_use(table.counter)):
        st.warning(text, icon=":material/filter_alt:")
