"""Further analyses of the Correlation page, one at a time, below the table."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.export.text import csv_text
from avhcurate.errors import CurateError
from avhcurate.features.correlation import analyses
from avhcurate.features.correlation.analyses import ALL_CLASSES, ANALYSES, BASE, BELOW
from avhcurate.features.correlation.plots import class_matrix
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, show_user_error
from avhcurate.ui.base.layout import apart
from avhcurate.ui.base.notes import PARENTS
from avhcurate.ui.base.page_choices import one_of, some_of
from avhcurate.ui.base.score_help import column_name, score_name
from avhcurate.ui.base.text import p_text, shortened
from avhcurate.ui.charts.charts_by_class import choose_classes
from avhcurate.ui.charts.html_table import estimate, html_table, table_row
from avhcurate.ui.charts.show import show_chart
from avhcurate.workspace.images.measures import RANKED

_NONE = "none"
_ANALYSIS = one_of("correlation.more", [_NONE, *ANALYSES], _NONE)

_analyse = kept("Computing …", most=16)(analyses.analyse)

#: The note below the table of each analysis.
_NOTES = {
    "beyond": "Semipartial Spearman: the correlation of HSF with what is left of a score once those chosen are taken "
    "out of it, by a regression of ranks. Its square is the share of the variance of HSF's ranks that the score adds. "
    "95 % intervals by a jackknife of ranks. Holm: p corrected for the scores tried. Scores that rank the images "
    "exactly as one chosen does have none.",
    "adding": "Partial Spearman: the correlation with HSF that is left when the other score is taken out of both. "
    "95 % intervals by a jackknife of ranks. Holm: p corrected for the scores "
    "tried. Scores that rank the images exactly as confidence does have none.",
    "classes": "The mean over classes is that of Fisher's z, with Student's interval: the class is the unit.",
    "hard": f"Hard: HSF below {BELOW}. AUROC: how often a hard image has the harder score than another one; 0.5 is "
    "chance, p that of the rank sum. Newcombe's interval.",
    "parents": f"{PARENTS} Over AVH: how much closer the score follows HSF of the parent than AVH does. 95 % intervals "
    "by a jackknife of ranks.",
}

_NOT_WEIGHTED = " Not weighted: it describes images that the queue chose, not the dataset."


def further(page: Opened, keys: Sequence[str]) -> None:
    """Draw a choice of one analysis, its table, a note and a download."""
    titles = {_NONE: "None"}
    titles |= {key: title for key, (title, _) in ANALYSES.items() if key != "parents" or page.samples.parents}
    analysis = _ANALYSIS.show(st.segmented_control, "Further analyses", titles)
    if analysis == _NONE:
        return
    options: dict[str, Any] = {}
    if analysis == "beyond":
        options["held"] = _choose_held(keys)
    try:
        rows = _analyse(
            page.samples, page.opened.run, page.votes, analysis, keys=list(keys), filters=page.filters, **options
        )
    except CurateError as error:
        show_user_error(error)
        return
    if analysis == "beyond":
        st.html(_beyond_table(rows))
    else:
        heads, cells_of = _LAYOUTS[analysis]
        drawn = [table_row(_name(row), cells_of(row)) for row in rows.drop_duplicates("score").to_dict("records")]
        st.html(html_table(["Score", *heads], drawn))
    if analysis == "classes":
        _class_chart(page, rows[rows["class"] != ALL_CLASSES])
    note = _NOTES[analysis]
    if "queue" in rows:
        note += _NOT_WEIGHTED
    with apart():
        st.caption(note)
        name = f"{page.dataset.name}-correlation-{analysis}.csv"
        download("CSV", csv_text(rows), name, key="correlation.more.csv")


def _choose_held(keys: Sequence[str]) -> list[str]:
    """Choose the scores beyond which the others follow HSF."""
    choice = some_of("correlation.held", [*RANKED, *keys], [BASE])
    return choice.show(
        st.multiselect, "Beyond", list(keys), format_func=lambda key: shortened(score_name(key), 60), width=420
    )


def _class_chart(page: Opened, rows: pd.DataFrame) -> None:
    """Draw every score within every class; each cell leads to its images."""
    classes = rows.groupby("class", sort=False)["n"].max().rename_axis("class").reset_index()
    shown = choose_classes(classes, classes["n"], names="class", what="images", key="correlation.classes")["class"]
    names = [shortened(column_name(key), 32) for key in rows["score"].unique()]
    figure = class_matrix(rows[rows["class"].isin(shown)], names, page.samples.classes)
    show_chart(figure, key="correlation.class_matrix")


def _name(row: Mapping[Any, Any]) -> str:
    return escape(shortened(column_name(row["score"]), 32))


def _beyond_table(rows: pd.DataFrame) -> str:
    """Return a row a score: its correlation, what is left of it beyond the others, and that within each bin."""
    bins = rows["bin"].unique()[1:]
    drawn = []
    for _, of_score in rows.groupby("score", sort=False):
        of_all, *of_bins = of_score.to_dict("records")
        spearman = estimate(of_all["spearman"], float("nan"), float("nan"), 3)
        cells = [f"{of_all['n']:,}", spearman, _value(of_all, "semipartial")]
        cells += [_p(of_all["semipartial_p"]), _p(of_all["semipartial_p_holm"])]
        cells += [_bin(row) for row in of_bins]
        drawn.append(table_row(_name(of_all), cells))
    return html_table(["Score", "n", "Spearman", "Beyond these", "p", "Holm", *map(escape, bins)], drawn)


def _bin(row: Mapping[Any, Any]) -> str:
    """Return the cell of a bin, which says n, p and p by Holm's method where the pointer rests."""
    title = f"n {row['n']:,}, p {_p(row['semipartial_p'])}, by Holm {_p(row['semipartial_p_holm'])}"
    return f"<td title='{title}'>{_value(row, 'semipartial')}</td>"


def _adding(row: Mapping[Any, Any]) -> list[str]:
    return [
        f"{row['n']:,}",
        _value(row, "partial"),
        _p(row["partial_p"]),
        _p(row["partial_p_holm"]),
        _value(row, "base_partial"),
        _p(row["base_partial_p"]),
    ]


def _classes(mean: Mapping[Any, Any]) -> list[str]:
    interval = estimate(mean["spearman"], mean["ci_low"], mean["ci_high"], 3)
    return [f"{int(mean['classes'])}<small>n {mean['n']:,}</small>", interval, _p(mean["p_value"])]


def _hard(row: Mapping[Any, Any]) -> list[str]:
    return [f"{row['hard']:,} of {row['n']:,}", _value(row, "auroc"), _p(row["auroc_p"])]


def _parents(row: Mapping[Any, Any]) -> list[str]:
    values = [_value(row, name) for name in ("hsf", "hsf_parent", "over_avh")]
    return [f"{row['n']:,}", *values, _p(row["over_avh_p"])]


#: Heads after the score, and a function that makes the cells from the first row of a score.
_LAYOUTS: dict[str, tuple[list[str], Callable[[Mapping[Any, Any]], list[str]]]] = {
    "adding": (
        ["n", "Adds to confidence", "p", "Holm", "Confidence adds to it", "p"],
        _adding,
    ),
    "classes": (["Classes", "Mean of classes", "p"], _classes),
    "hard": (["Hard", "AUROC", "p"], _hard),
    "parents": (["n", "With HSF", "With HSF of the parent", "Over AVH", "p"], _parents),
}


def _value(row: Mapping[Any, Any], name: str) -> str:
    return estimate(row[name], row[f"{name}_low"], row[f"{name}_high"], 3)


def _p(value: float) -> str:
    if pd.isna(value):
        return "–"
    return escape(p_text(value)[2:].removeprefix("=").strip())
