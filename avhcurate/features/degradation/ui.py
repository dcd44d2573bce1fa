"""The Degradation page: the form that starts the job, and the results in words, figures and a table."""

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.features.degradation import service, statistics
from avhcurate.features.degradation.corruptions import KINDS
from avhcurate.features.degradation.plots import agreement_boxes, curve_panels, measure_name
from avhcurate.features.degradation.service import KEYS, Degraded
from avhcurate.features.degradation.settings import KIND_KEYS, DegradeSettings
from avhcurate.features.degradation.statistics import ACCURACY, ORIGINAL
from avhcurate.features.degradation.store import DegradationFolder, degradations
from avhcurate.measures.scores import SCORES
from avhcurate.ui.cache import HASH_FUNCS, file_key
from avhcurate.ui.charts import show_chart
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import html_table, table_row, tint
from avhcurate.ui.job_forms import fill_page, job_form, row
from avhcurate.ui.layout import empty_state
from avhcurate.ui.page_choices import choose_result, chosen_result, some_of, switch
from avhcurate.ui.score_help import explain_scores, score_name
from avhcurate.ui.text import PAPER, signed

#: With the key of a degradation's folder.
DEGRADATION_HASH_FUNCS = HASH_FUNCS | {DegradationFolder: lambda folder: file_key(folder.scores_path)}

SHOWN_KINDS = some_of("degradation.kinds", list(KINDS), list(KINDS))
MEASURES = some_of("degradation.scores", [*KEYS, ACCURACY], ["avh", "confidence", "norm", ACCURACY])
BY_BIN = switch("degradation.bins")
#: Which degradation of the run is shown, in the address.
_MADE = "degradation.made"

#: The scores in the summary: what they should do as images get worse.
_SPOKEN = {"avh": "rises", "confidence": "falls", "norm": "falls"}
#: What a score should do as images get worse, by its sign.
_DOES = {1: "should rise", -1: "should fall"}

_ABOUT = """
Images of this run are degraded step by step, and the same network scores every step. People find a harsher level
harder (Geirhos et al. 2018), so the level stands for human hardness where there are no votes. A good score of hardness
**rises with it in every single image**: its Spearman correlation with the level, over the levels of one image, is high.

Degradation acts on the network's square input, resized and cropped, so levels mean the same for images of any size.
Level 0 is the image itself, shared by all kinds.
"""


# --- the job -----------------------------------------------------------------------------------------------------


def start_form(page: Opened, *, busy: bool) -> None:
    """Draw the form that starts the job."""
    assert page.table.run is not None
    record = page.table.run.record
    known = {"dataset": page.table.dataset.name, "model": page.table.run.name}
    with job_form(page.workspace.root, "degradation.start_", DegradeSettings, busy=busy, **known) as form:
        with row():
            form.ask(
                "kinds",
                widget=st.pills,
                options=KIND_KEYS,
                default=KIND_KEYS,
                selection_mode="multi",
                format_func=lambda key: KINDS[key].name,
            )
            form.ask("limit", step=100)
            form.submit("Degrade images")
        with st.expander("More"), row():
            form.ask("weights", placeholder=f"those of the run: {record.weights_source}", width=360)
            form.ask_where()


def about() -> None:
    """Draw a popover that explains the degradations, kind by kind."""
    with st.popover("About the degradations", icon=":material/help:", type="tertiary", key="degradation.about"):
        st.markdown(_ABOUT)
        for kind in KINDS.values():
            st.markdown(f"**{kind.name}** — {kind.sentence} Levels: {', '.join(kind.ticks(kind.strengths))}.")
            st.caption(kind.reference)


def empty(page: Opened, *, busy: bool) -> None:
    """Say what degradation measures, with the form, before the first job."""
    empty_state("No degraded images of this run yet", "blur_on", _ABOUT, partial(_first_form, page, busy=busy))


def _first_form(page: Opened, *, busy: bool) -> None:
    assert page.table.run is not None
    settings = DegradeSettings(dataset=page.table.dataset.name, model=page.table.run.name)
    fill_page(page.workspace.root, settings, busy=busy)
    start_form(page, busy=busy)


# --- results -----------------------------------------------------------------------------------------------------


def chosen_degradation(page: Opened) -> DegradationFolder | None:
    """Return the degradation that the address asks for, else the newest; None where there is none."""
    assert page.table.run is not None
    return chosen_result(_MADE, page.view, degradations(page.table.run))


def _title_of(folder: DegradationFolder) -> str:
    record = folder.record
    kinds = ", ".join(record.strengths)
    return f"{record.samples:,} images, {kinds}, {record.started:%d %b %H:%M}"


result_of = st.cache_resource(
    max_entries=8, show_spinner="Reading the degraded images …", hash_funcs=DEGRADATION_HASH_FUNCS
)(service.read)


def choose_curves(page: Opened, result: Degraded) -> tuple[list[str], list[str], bool]:
    """Ask for kinds, curves, and whether to split by HSF bin."""
    every = list(result.record.strengths)
    kinds = [kind for kind in SHOWN_KINDS.of(page.view) if kind in every] or every
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        SHOWN_KINDS.show(
            st.pills,
            "Degradations",
            page.view,
            {kind: KINDS[kind].name for kind in every},
            value=kinds,
            selection_mode="multi",
            on_change=_keep_kinds,
            args=(len(every),),
        )
        measures = MEASURES.show(
            st.multiselect,
            "Curves",
            page.view,
            {key: measure_name(key) for key in (*KEYS, ACCURACY)},
            max_selections=6,
            width=420,
            placeholder="Choose scores",
        )
        by_bin = bool(result.bins) and BY_BIN.show(st.toggle, "By HSF bin", page.view)
        assert page.table.run is not None
        choose_result(_MADE, "Degradation", page.view, degradations(page.table.run), _title_of, width=330)
        about()
    return kinds, measures, by_bin


def _keep_kinds(number: int) -> None:
    """Keep the chosen kinds in the address; none and all of a result mean every kind."""
    wanted = st.session_state[SHOWN_KINDS.name]
    if not 0 < len(wanted) < number:
        wanted = KIND_KEYS
    SHOWN_KINDS.put([kind for kind in KIND_KEYS if kind in wanted])


def curves(result: Degraded, kinds: Sequence[str], measures: Sequence[str], *, by_bin: bool, simulated: bool) -> None:
    """Draw means over the images at every level."""
    if not measures:
        st.caption("Choose a score to see its curves.")
        return
    rows = result.rows
    rows = rows[rows["kind"].isin([ORIGINAL, *kinds])]
    groups = {"all": rows["id"].unique()}
    if by_bin:
        groups = result.bins
    table = statistics.curves(rows, measures, groups)
    strengths = {kind: result.record.strengths[kind] for kind in kinds}
    show_chart(curve_panels(table, strengths), key="degradation.curves")
    first = table[(table["level"] == 0) & (table["kind"] == kinds[0]) & (table["measure"] == measures[0])]
    about = f"n {result.images:,} images at every level"
    if by_bin:
        sizes = ", ".join(f"{group} n {n:,}" for group, n in zip(first["group"], first["n"], strict=True))
        votes = "HSF bins of simulated votes" if simulated else "HSF bins"
        about = f"{votes}: {sizes}"
    st.caption(f"Means over the images with 95 % intervals; milder levels on the left. {about}.")


def boxes(result: Degraded, kinds: Sequence[str]) -> None:
    """Draw the spread of each image's correlation with the level."""
    show_chart(agreement_boxes(result.rhos, kinds, KEYS), key="degradation.boxes")
    st.caption(
        "Spearman correlation of the score with the level in each image. At 1 the image is harder at every step by the "
        "score. Boxes hold half of the images, whiskers nine tenths."
    )


def summary_text(summary: pd.DataFrame, kinds: Sequence[str]) -> str:
    """Say how AVH, confidence and norm follow the level, and whether AVH does as the paper expects."""
    rows = summary[summary["kind"].isin(kinds) & (summary["n"] > 0)]
    if rows.empty:
        return "No score has a correlation with the level here: there are no labels, or no score varies."
    sentences = []
    for key, does in _SPOKEN.items():
        of_score = rows[rows["score"] == key]
        if len(of_score):
            share = _range([_percent(value) for value in of_score["expected"].sort_values()])
            middle = _range([signed(value, 2) for value in of_score["median"].sort_values()])
            n = of_score["n"].max()
            sentences.append(
                f"**{score_name(key)}** {does} with the level in {share} of {n:,} images (median Spearman {middle})."
            )
    avh = rows[rows["score"] == "avh"]
    against = avh["kind"][avh["expected_high"] < 0.5]
    unclear = avh["kind"][(avh["expected_low"] <= 0.5) & (avh["expected_high"] >= 0.5)]
    if len(against):
        sentences.append(f"Unlike in the paper ({PAPER}), AVH rises in a minority of images under {_names(against)}.")
    if len(unclear):
        sentences.append(f"Under {_names(unclear)} there are too few images to say whether AVH rises in most of them.")
    if len(avh) and not len(against) and not len(unclear):
        sentences.append(f"AVH follows every degradation here, as the paper ({PAPER}) expects.")
    return " ".join(sentences)


def _names(kinds: pd.Series) -> str:
    return ", ".join(KINDS[kind].name.lower() for kind in kinds)


def _range(texts: list[str]) -> str:
    if texts[0] == texts[-1]:
        return texts[0]
    return f"{texts[0]} to {texts[-1]}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def table_html(summary: pd.DataFrame, kinds: Sequence[str]) -> str:
    """Return a row a score, a column a kind: median Spearman with its interval, and the expected share."""
    counts = summary.groupby("kind", sort=False)["n"].max()
    heads = [f"{escape(KINDS[kind].name)}<small>n {counts[kind]:,}</small>" for kind in kinds]
    by_cell, rows = summary.set_index(["score", "kind"]), []
    for key in KEYS:
        score = SCORES[key]
        cells = [_cell(by_cell.loc[(key, kind)], score.sign) for kind in kinds]
        rows.append(table_row(escape(score.name), [_DOES[score.sign], *cells], title=escape(score.sentence)))
    return html_table(["Score", "As images get worse", *heads], rows, tinted=True)


def _cell(row: Any, sign: int) -> str:
    if not row["n"]:
        return "<td>–<small>no image has a correlation</small></td>"
    style = tint(row["median"] * sign, 0.5 * abs(row["median"]))
    title = (
        f"{_percent(row['expected'])} of {row['n']:,} images go the expected way "
        f"({_percent(row['expected_low'])} to {_percent(row['expected_high'])})"
    )
    small = ""
    if pd.notna(row["ci_low"]):
        small = f"<small>{signed(row['ci_low'], 2)} to {signed(row['ci_high'], 2)} · n {row['n']:,}</small>"
    return (
        f"<td style='{style}' title='{escape(title)}'><b>{signed(row['median'], 2)}</b>"
        f"<span>{_percent(row['expected'])}</span>{small}</td>"
    )


def table(result: Degraded, kinds: Sequence[str], *, name: str) -> None:
    """Draw the table of all scores, with its download."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("All scores")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="xsmall"):
            explain_scores(KEYS, label="About the scores", key="degradation.explain")
            download("CSV", result.summary.to_csv(index=False), f"{name}-degradation.csv", key="degradation.csv")
    st.html(table_html(result.summary, kinds))
    st.caption(
        "Median over images of the Spearman correlation with the level, and the share of images that go the expected "
        "way. Below: the 95 % interval of the median; point at a cell for that of the share. Images whose score is the "
        "same at every level are not counted in n."
    )
