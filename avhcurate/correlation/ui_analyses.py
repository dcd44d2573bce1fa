"""Further analyses of the Correlation page, one at a time, below the table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.correlation import analyses
from avhcurate.correlation.analyses import ALL_CLASSES, ANALYSES, BELOW, adds_sentence
from avhcurate.errors import CurateError
from avhcurate.export.text import csv_text
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.page_choices import number, one_of
from avhcurate.ui.score_help import column_name
from avhcurate.ui.text import p_text, shortened, signed
from avhcurate.ui.user_errors import show_user_error

_NONE = "none"
_ANALYSIS = one_of("correlation.more", [_NONE, *ANALYSES], _NONE)
_HARD_BELOW = number("correlation.below", BELOW, low=0.01, high=1.0)

_analyse = st.cache_data(max_entries=16, show_spinner="Computing …", hash_funcs=HASH_FUNCS)(analyses.analyse)

#: What each analysis is, below its table.
_NOTES = {
    "adding": "Partial Spearman: the correlation with HSF that is left when the other score is taken out of both; "
    "semipartial: out of the score alone. 95 % intervals by a jackknife of ranks. Holm: p corrected for the scores "
    "tried. Scores that rank the images exactly as confidence does have none.",
    "classes": "The mean over classes is DerSimonian and Laird's, on the scale of Fisher's z, with Hartung and Knapp's "
    "interval: the class is the unit. Spread: standard deviation of Fisher's z between classes beyond chance; p: that "
    "they are all the same.",
    "hard": "AUROC: how often a hard image has the harder score than another one; 0.5 is chance, p that of the rank "
    "sum. DeLong's interval; below 50 images of either kind Newcombe's. Lift: how many times more hard images than by "
    "chance are in the tenth that the score finds hardest; Wilson's.",
    "votes": "A beta-binomial regression: every vote counts, an image has a chance of its own, and the class is an "
    "effect. Odds ratio: by how much the odds of a vote for the label grow with one standard deviation of the score "
    "towards easy. Gain: log likelihood an image over that of the class alone, in nats; larger foretells votes better.",
    "resampled": "95 % intervals when other things are drawn than single images, 400 resamples each: groups of near "
    "duplicates (run Quality first), or the annotators who gave the votes in the app (their spread about the "
    "agreement, since HSF of a resample of them is noisier).",
}

_NOT_WEIGHTED = " Not weighted: it tells of images that the queue chose, not of the dataset."


def further(page: Opened, keys: Sequence[str]) -> None:
    """A choice of one analysis, its table, what it means, and a download."""
    titles = {_NONE: "None"} | {key: title for key, (title, _) in ANALYSES.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = _ANALYSIS.show(st.segmented_control, "Further analyses", page.view, titles)
        below = BELOW
        if chosen == "hard":
            below = _HARD_BELOW.show(
                st.number_input,
                "Hard: HSF below",
                page.view,
                min_value=0.01,
                max_value=1.0,
                step=0.05,
                width=140,
            )
    if chosen == _NONE:
        return
    try:
        rows = _analyse(page.table, chosen, keys=list(keys), filters=page.filters, below=below)
    except CurateError as error:
        show_user_error(error)
        return
    if chosen == "adding":
        st.markdown(adds_sentence(rows))
    heads, cells = _LAYOUTS[chosen]
    st.html(html_table(heads, cells(rows)))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(_NOTES[chosen] + (_NOT_WEIGHTED if "queue" in rows else ""))
        name = f"{page.table.dataset.name}-correlation-{chosen}.csv"
        download("CSV", csv_text(rows), name, key="correlation.more.csv")


def _adding(rows: pd.DataFrame) -> Iterator[str]:
    for row in rows.to_dict("records"):
        yield _row(
            row,
            f"{row['n']:,}",
            _value(row, "partial"),
            _p(row["partial_p"]),
            _p(row["partial_p_holm"]),
            _value(row, "semipartial"),
            _value(row, "base_partial"),
            _p(row["base_partial_p"]),
        )


def _classes(rows: pd.DataFrame) -> Iterator[str]:
    for _, of_score in rows.groupby("score", sort=False):
        (mean,) = of_score[of_score["class"] == ALL_CLASSES].to_dict("records")
        single = of_score[of_score["class"] != ALL_CLASSES].dropna(subset=["spearman"]).sort_values("spearman")
        ends = [
            f"{signed(one['spearman'], 3)}<small>{escape(shortened(one['class'], 24))}, n {one['n']:,}</small>"
            for one in (single.to_dict("records")[:1] + single.to_dict("records")[-1:])
        ]
        value = estimate(mean["spearman"], mean["ci_low"], mean["ci_high"], 3)
        known = mean["spread"] == mean["spread"]
        differ = [f"{mean['spread']:.3f}", _p(mean["differ_p"])] if known else ["–", "–"]
        classes = f"{int(mean['classes'])}<small>n {mean['n']:,}</small>"
        yield _row(mean, classes, value, _p(mean["p_value"]), *differ, *(ends or ["–", "–"]))


def _hard(rows: pd.DataFrame) -> Iterator[str]:
    for row in rows.to_dict("records"):
        of = f"{row['hard']:,} of {row['n']:,}"
        yield _row(row, of, _value(row, "auroc"), _p(row["auroc_p"]), _value(row, "lift", 2), f"{row['picked']:,}")


def _votes(rows: pd.DataFrame) -> Iterator[str]:
    for row in rows.sort_values("gain", ascending=False).to_dict("records"):
        size = f"{row['votes']:,}<small>n {row['n']:,}</small>"
        within = "–" if row["within"] != row["within"] else f"{row['within']:.3f}"
        gain = "–" if row["gain"] != row["gain"] else f"{row['gain']:.4f}"
        yield _row(row, size, _value(row, "odds_ratio"), _p(row["odds_ratio_p"]), gain, within)


def _resampled(rows: pd.DataFrame) -> Iterator[str]:
    for row in rows.to_dict("records"):
        cells = [f"{row['n']:,}", signed(row["agreement"], 3), _ends(row, "samples")]
        for what in ("groups", "annotators"):
            known = row[what] == row[what] and row[what] is not None
            cells.append(f"{_ends(row, what)}<small>{int(row[what]):,} {what}</small>" if known else "–")
        yield _row(row, *cells)


_LAYOUTS: dict[str, tuple[list[str], Callable[[pd.DataFrame], Iterator[str]]]] = {
    "adding": (
        ["Score", "n", "Adds to confidence", "p", "Holm", "Semipartial", "Confidence adds to it", "p"],
        _adding,
    ),
    "classes": (["Score", "Classes", "Mean of classes", "p", "Spread", "p", "Lowest", "Highest"], _classes),
    "hard": (["Score", "Hard", "AUROC", "p", "Lift", "Picked"], _hard),
    "votes": (["Score", "Votes", "Odds ratio", "p", "Gain", "Within image"], _votes),
    "resampled": (["Score", "n", "Agreement", "Images", "Duplicate groups", "Annotators"], _resampled),
}


def _row(row: Mapping[Any, Any], *cells: str) -> str:
    return table_row(escape(shortened(column_name(row["score"]), 32)), cells)


def _value(row: Mapping[Any, Any], name: str, digits: int = 3) -> str:
    return estimate(row[name], row[f"{name}_low"], row[f"{name}_high"], digits)


def _ends(row: Mapping[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "–" if low != low else f"{signed(low, 3)} to {signed(high, 3)}"


def _p(value: float) -> str:
    return "–" if value != value else escape(p_text(value)[2:].removeprefix("=").strip())
