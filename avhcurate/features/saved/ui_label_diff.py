"""How the labels of a dataset differ from those of another one or of a file, on the page Saved."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.label_lists import read_label_list
from avhcurate.datasets.export.text import csv_text
from avhcurate.datasets.sources.uploads import keep_upload
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.features.saved.diff_rules import KINDS
from avhcurate.features.saved.diff_service import gallery_of, name_of
from avhcurate.features.saved.label_diff_service import LabelDiff, compare_labels, labels_of
from avhcurate.ui.base import cache
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, show_user_error
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import Choice, gallery_link
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.runs import RunFolder

_DATASET: Choice[str] = Choice("saved.dataset", "", str)
#: Files of labels that can be sent.
_FILES = ["csv", "tsv", "parquet", "jsonl", "json"]
#: Pairs of classes in the table; the file has all.
_PAIRS = 100


def show_difference_from_dataset(page: Opened) -> None:
    """Draw a choice of another dataset, and how the labels of this one differ from its labels."""
    others = [name for name in page.workspace.names() if name != page.dataset.name]
    if not others:
        st.caption("The workspace has no other dataset.")
        return
    other = _DATASET.show(st.selectbox, "From", others, width=420)
    theirs = cache.open_shared(page.workspace, other, "", page.samples.edges)
    _show(
        page,
        other,
        partial(_from_dataset, page.decisions, page.opened.run, theirs.decisions, theirs.run),
    )


def show_difference_from_file(page: Opened) -> None:
    """Draw an upload of a file of labels, and how the labels of the dataset differ from its labels."""
    help_text = "CSV, Parquet or JSON lines with a path or id and a label, or JSON of COCO, FiftyOne or Label Studio."
    allowed = for_curators("Giving files to the server", help=help_text)
    file = st.file_uploader("From", _FILES, key="saved.labels", width=420, **allowed)
    if file is not None:
        _show(
            page,
            file.name,
            lambda: _from_file(page.decisions, page.opened.run, keep_upload(page.workspace, file.name, file)),
        )


@kept("Comparing …", most=4)
def _from_dataset(
    decisions: Decisions, run: RunFolder | None, others: Decisions, other_run: RunFolder | None
) -> LabelDiff:
    return compare_labels(labels_of(others, other_run), labels_of(decisions, run))


@kept("Comparing …", most=4)
def _from_file(decisions: Decisions, run: RunFolder | None, file: Path) -> LabelDiff:
    return compare_labels(read_label_list(file), labels_of(decisions, run))


def _show(page: Opened, other: str, compare: Callable[[], LabelDiff]) -> None:
    """Draw how many images differ, the galleries of each kind, from which class to which, and a download."""
    try:
        diff = compare()
    except CurateError as error:
        show_user_error(error)
        return
    text = counted(len(diff.changes), "difference")
    st.markdown(f"**{text}** from {plain(other)} to {plain(page.dataset.name)} now.")
    for note in diff.notes:
        st.caption(plain(note))
    _galleries(page.samples, page.opened.run, diff)
    if len(diff.pairs):
        named = diff.pairs.replace("", "no label").set_axis(["From", "To", "Images"], axis=1)
        st.dataframe(named.head(_PAIRS), hide_index=True, key="saved.pairs", width=420)
        if len(named) > _PAIRS:
            st.caption(f"The first {_PAIRS} of {len(named):,} pairs of classes.")
    if len(diff.changes):
        file = f"{page.dataset.name}-differences.csv"
        download("CSV", partial(csv_text, diff.changes), file, key="saved.differences_csv")


def _galleries(samples: SampleTable, run: RunFolder | None, diff: LabelDiff) -> None:
    """Link to the images of each kind; those that were removed are not in the dataset."""
    paths = samples.frame(columns=["path"])["path"]
    with in_a_row():
        for kind, n in diff.counts.items():
            text = f"{KINDS[kind]}: {n:,}"
            places = pd.Index(paths).get_indexer(diff.changes["path"][diff.changes["kind"] == kind])
            ids = pd.Series(places[places >= 0])
            if len(ids) and (query := gallery_of(samples.name, name_of(run), ids)):
                gallery_link(text, query)
            else:
                st.caption(text, width="content")
