"""Slices on the Models page: each run on every split, HSF bin, value, tag, set or saved view, the worst first."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from avhcurate.datasets.export.text import csv_text
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.compare import plots, slices
from avhcurate.features.compare.slices import Slices, possible_slices
from avhcurate.features.compare.study import JUDGED, LEAST, MEASURES, WORSE
from avhcurate.features.compare.ui import HASH_FUNCS, interval_cell
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import one_of, some_of
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.html_table import html_table, table_row
from avhcurate.ui.charts.show import show_chart

MEASURE = one_of("models.measure", tuple(MEASURES), "accuracy")
#: More slices in one chart cannot be read.
_MOST = 24
_slice_runs = kept("Slicing …", most=6, funcs=HASH_FUNCS)(slices.slice_runs)


def by_slices(page: Opened, names: Sequence[str]) -> None:
    """Choose what to slice by, and draw each run on every slice."""
    offered = possible_slices(page.samples, page.opened.workspace)
    with in_a_row():
        by = some_of("models.by", offered, ["label"]).show(st.multiselect, "Slice by", offered, width=420)
        measure = MEASURE.show(st.segmented_control, "Bars", MEASURES)
    sliced = _slice_runs(page.samples, page.votes, page.opened.workspace, by, names, filters=page.filters)
    page.result.markdown(_worst(sliced))
    rows = sliced.table
    shown = rows[rows.groupby(["by", "slice"], sort=False).ngroup() <= _MOST]
    show_chart(plots.slices(shown, measure, _images(page, sliced)), key="models.slices")
    heads = ["Slice", "n", "Against the rest", *MEASURES.values()]
    st.html(html_table(heads, map(_row, shown.to_dict("records"))))
    st.caption(
        f"n {rows['n'].max():,} of {sliced.labelled:,} labelled images in view: those that every run has scored. "
        f"{len(sliced.images) - 1:,} slices; up to {_MOST} are shown, CSV has all. Small: 95 % intervals that hold at "
        f"once for the {sliced.compared:,} that are judged (Bonferroni): Wilson's, of ECE a bootstrap, of means by t. "
        "A slice is worse or better where its accuracy and that of all other images have intervals apart. Below "
        f"{LEAST} images on either side it is pale and not judged. Click a bar to see its images."
    )
    download("CSV", csv_text(rows), f"{page.dataset.name}-slices.csv", key="models.slices.csv")


def _images(page: Opened, sliced: Slices) -> dict[tuple[str, str], Filters]:
    """Return the filters of the images that bars count; nothing where the open run has scored others than these."""
    lacking = sliced.labelled - sliced.table["n"].max()
    if lacking not in (0, sliced.left_out.get(page.run.name)):
        return {}
    where = "label IS NOT NULL"
    if lacking:
        where += " AND predicted IS NOT NULL"
    return {key: filters.narrowed(Filters(where=where)) for key, filters in sliced.images.items()}


def _worst(sliced: Slices) -> str:
    """Say how many slices are worse than the rest, and which is the least accurate of those that are judged."""
    tested = sliced.table[sliced.table["verdict"].isin(JUDGED)]
    if tested.empty:
        return "No slice has enough images to be judged."
    worst = tested.iloc[0]
    worse = (tested["verdict"] == WORSE).sum()
    where = f"**{plain(worst['by'])} {plain(worst['slice'])}** of {plain(worst['model'])}"
    right = f"{100 * worst['accuracy']:.1f} % of {worst['n']:,} images"
    return f"**{worse:,}** of {len(tested):,} are worse than the rest. Least accurate: {where}, {right}."


def _row(row: Mapping[Any, Any]) -> str:
    cells = [f"{row['n']:,}", escape(row["verdict"] or "–"), interval_cell(row, "accuracy", 1, percent=True)]
    notes = {"ece": f"chance {row['ece_chance']:.3f}", "avh": f"n {row['avh_n']:,}", "hsf": f"n {row['hsf_n']:,}"}
    cells += [f"{interval_cell(row, key, 3)}<small>{note}</small>" for key, note in notes.items()]
    return table_row(f"{escape(row['by'])} {escape(row['slice'])}<small>{escape(row['model'])}</small>", cells)
