"""All runs on the Models page: their table, calibration, rank agreement, and how each follows HSF."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.titles import learnt_here
from avhcurate.features.compare.plots import rank_matrix, reliability
from avhcurate.features.compare.service import SideBySide
from avhcurate.features.compare.ui import number_cell
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import halves
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.text import PAPER
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.html_table import estimate, html_table, table_row
from avhcurate.ui.charts.show import show_chart

#: More lines in one reliability diagram cannot be distinguished.
_MOST_LINES = 5
_NOTE = (
    "Small: 95 % intervals (accuracy Wilson, ECE basic bootstrap, Spearman Bonett and Wright). Per class: mean of the "
    "classes' accuracies. ECE over 15 bins of equally many images, by the predicted class's probability; “chance” is "
    "what a perfectly calibrated model stays below in 97.5 % of draws. Brier: sum over classes, 0 to 2. NLL in nat."
)


def all_runs(page: Opened, runs: SideBySide, keys: Sequence[str]) -> None:
    """Draw the table, calibration, rank agreement and discoveries 4 and 5."""
    name = page.dataset.name
    n = runs.n
    table = runs.table
    page.result.markdown(_most_often_right(table))
    st.html(_runs_html(runs, keys, learnt_here(page.dataset)))
    st.caption(f"n {n:,} of {runs.labelled:,} labelled images in view: those that every run has scored. {_NOTE}")
    if without := plain(", ".join(table["model"][table["avh"].isna()])):
        st.caption(f"Without class weights, and so without AVH: {without}.")
    download("CSV", table.to_csv(index=False), f"{name}-models.csv", key="models.csv")
    # Of another run, filters by scores would choose other images than those counted.
    linked = n == runs.labelled and not (page.filters.ranges or page.filters.where or page.filters.mistakes)
    left, right = halves()
    with left:
        st.header("Is it as sure as it is right?")
        drawn = table[table["ece"].notna()].head(_MOST_LINES)
        called = dict(zip(drawn["run"], drawn["model"], strict=True))
        show_chart(reliability(runs.calibrations, called, linked=linked), key="models.reliability")
        st.caption(f"A larger dot holds more images. Up to {_MOST_LINES} runs that have logits.")
    if len(table) > 1:
        right.header("Do they find the same images hard?")
        right.caption("Spearman of AVH between every two runs, over the images of the table.")
        with right:
            show_chart(rank_matrix(runs.avh.dropna(how="all").dropna(how="all", axis=1)), key="models.ranks")
    if runs.voted:
        st.header(f"Discoveries 4 and 5 of {PAPER}")
        for finding in runs.findings:
            text = plain(finding.sentence(simulated=runs.simulated))
            st.markdown(f"**{finding.discovery} · {plain(finding.title)}: {finding.verdict}.** {text}")


def _most_often_right(table: pd.DataFrame) -> str:
    """Say which run is right most often, and whether that is clear: its interval is above those of all others."""
    best, *others = table.sort_values("accuracy", ascending=False).to_dict("records")
    most = " most often," if others else ""
    text = f"**{plain(best['model'])}** is right{most} on {100 * best['accuracy']:.1f} % of {best['n']:,} images"
    if any(other["accuracy_high"] >= best["accuracy_low"] for other in others):
        text += ", which others may equal by their intervals"
    return f"{text}."


def _runs_html(runs: SideBySide, keys: Sequence[str], learnt: Mapping[str, str]) -> str:
    """Return a row a run: accuracy, calibration, mean AVH, and Spearman of each of `keys` with HSF.

    `learnt`: of runs that learnt from the dataset's samples, from how many.
    """
    measure = "avh"
    mean = "Mean AVH"
    hsf = "HSF"
    if runs.table["classes"].nunique() > 1:
        measure = "relative_avh"
        mean = "Relative AVH"
    if runs.simulated:
        hsf = "HSF, simulated"
    heads = ["Run", "n", "Accuracy", "Per class", "ECE"]
    heads += ["Brier", "NLL", mean]
    if runs.voted:
        heads += [f"{escape(score_name(key))}<small>with {hsf}</small>" for key in keys]
    rows = []
    for row in runs.table.to_dict("records"):
        cells = [
            f"{row['n']:,}",
            _interval(row, "accuracy", 1, percent=True),
            number_cell(100 * row["class_accuracy"], 1),
            f"{_interval(row, 'ece', 3)}<small>chance {row['ece_chance']:.3f}</small>",
            *(number_cell(row[key], 4) for key in ("brier", "nll", measure)),
        ]
        if runs.voted:
            cells += [_interval(row, f"{key}_hsf", 3) for key in keys]
        notes = " · ".join(filter(None, [f"{row['classes']} classes", learnt.get(row["run"])]))
        rows.append(table_row(f"{escape(row['model'])}<small>{notes}</small>", cells, title=escape(row["run"])))
    return html_table(heads, rows)


def _interval(row: Mapping[Any, Any], key: str, digits: int, *, percent: bool = False) -> str:
    return estimate(row[key], row[f"{key}_low"], row[f"{key}_high"], digits, percent=percent)
