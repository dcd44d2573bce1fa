"""What each of two runs confuses, on the Models page: matrix, precision, recall and F1, and the pairs confused most."""

import streamlit as st

from avhcurate.features.compare import confusion, plots
from avhcurate.features.compare.ui import HASH_FUNCS
from avhcurate.ui.base import cache
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import halves
from avhcurate.ui.base.notes import run_titles
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.charts_by_class import choose_classes
from avhcurate.ui.charts.show import show_chart

#: More classes do not fit into a matrix that can be read; the pairs confused most are always drawn.
_MOST_CLASSES = 12
_MOST_PAIRS = 12

_confusion_of = kept("Counting …", most=6, funcs=HASH_FUNCS)(confusion.confusion)


def confusions(page: Opened, runs: tuple[str, ...]) -> None:
    """Draw what one or two runs confuse, side by side; every cell, dot and bar leads to its images."""
    columns = [st.container()]
    if len(runs) > 1:
        columns = list(halves())
    for column, run in zip(columns, runs, strict=True):
        with column:
            _confusion(page, run)
    st.caption(
        "Over all images in view that have a label and a prediction of the run. Row: given label. Column: predicted "
        "class. Precision: right of those predicted so. Recall: right of those labelled so. F1: their harmonic mean. "
        "Lines are Wilson's 95 % intervals. Click a cell, dot or bar to see its images."
    )


def _confusion(page: Opened, run: str) -> None:
    table = cache.table(page.workspace, page.dataset.name, run, page.view.edges)
    found = _confusion_of(table, page.filters)
    known = len(found.counts)
    classes = [*table.classes, *map(str, range(len(table.classes), known))]
    confused = found.most_confused(_MOST_PAIRS)[["label", "predicted"]].to_numpy().ravel().tolist()
    chosen = sorted(list(dict.fromkeys([*confused, *range(known)]))[:_MOST_CLASSES])
    st.markdown(f"**{plain(run_titles(page.dataset)[run])}** · n {found.counts.sum():,}")
    if known > len(chosen):
        st.caption(f"The {len(chosen)} classes that are confused most, of {known:,}.")
    show_chart(plots.confusion_matrix(found, chosen, classes, run=run), key=f"models.confusion.{run}")
    st.markdown("**Each class**")
    rows = found.by_class(classes)
    rows = choose_classes(rows, rows["f1"], names="name", what="F1", key=f"models.class.{run}")
    show_chart(plots.by_class(rows, run=run), key=f"models.by_class.{run}")
    st.markdown("**Confused most**")
    figure = plots.most_confused(found, classes, run=run, most=_MOST_PAIRS)
    show_chart(figure, key=f"models.confused.{run}")
