"""The Models page: its choices and cached comparisons, which all parts share, and the parts about all runs."""

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.titles import learnt_here
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.compare import plots, run_pair, service
from avhcurate.features.compare.samples import KEYS, MOST_RUNS, comparable_runs, default_runs
from avhcurate.features.compare.service import SideBySide
from avhcurate.ui.base import cache
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, way_on
from avhcurate.ui.base.layout import empty_state, halves, in_a_row
from avhcurate.ui.base.notes import run_titles
from avhcurate.ui.base.page_choices import Choice, one_of, some_of
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.text import PAPER
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.html_table import estimate, html_table, table_row
from avhcurate.ui.charts.show import show_chart
from avhcurate.workspace.data.runs import RunFolder

#: Parts of the page: one is computed and drawn at a time.
PARTS = {
    "all": "All runs",
    "slices": "Slices",
    "pair": "Who is right",
    "confusion": "Confusions",
    "hard": "Hard for one, or for all",
}
PART = one_of("models.part", tuple(PARTS), "all")

_MOST_SCORES = 4
SCORES_SHOWN = some_of("models.scores", KEYS, ["avh", "confidence"], most=_MOST_SCORES)


def part(runs: Sequence[RunFolder]) -> str:
    """Choose the part of the page; with a single run only those that need no second."""
    possible = PARTS
    if len(runs) < 2:
        possible = {name: PARTS[name] for name in ("all", "slices", "confusion")}
    return PART.show(st.segmented_control, "Part", possible, on_change=PART.restart, label_visibility="collapsed")


def chosen_runs(page: Opened, runs: Sequence[RunFolder]) -> list[str]:
    """Choose the runs of the table: the newest of each network unless the address says otherwise."""
    return runs_choice(runs).show(
        st.multiselect,
        "Runs",
        _titles(page, runs),
        max_selections=MOST_RUNS,
        placeholder="The newest run of each network",
        help=f"Up to {MOST_RUNS}, on the images that all of them have scored.",
    )


def _titles(page: Opened, runs: Sequence[RunFolder]) -> dict[str, str]:
    called = run_titles(page.dataset)
    return {run.name: called[run.name] for run in runs}


def runs_choice(runs: Sequence[RunFolder]) -> Choice[list[str]]:
    names = [run.name for run in runs]
    return some_of("models.runs", names, default_runs(runs), most=MOST_RUNS)


def chosen_scores() -> list[str]:
    """Choose the scores whose correlation with HSF is compared; AVH where the choice is empty."""
    return SCORES_SHOWN.show(
        st.multiselect,
        "Scores against HSF",
        KEYS,
        format_func=score_name,
        max_selections=_MOST_SCORES,
        placeholder="AVH",
    ) or ["avh"]


def chosen_pair(page: Opened, runs: Sequence[RunFolder]) -> tuple[str, str] | None:
    """Choose runs A and B, by default the open run and the newest other; None for one run twice."""
    titles = _titles(page, runs)
    names = tuple(titles)
    with in_a_row():
        first = one_of("models.a", names, page.run.name).show(st.selectbox, "A", titles, width=300)
        other = next(name for name in names if name != first)
        second = one_of("models.b", names, other).show(st.selectbox, "B", titles, width=300)
    if first == second:
        st.caption("Choose two different runs.")
        return None
    return first, second


def only_one_run(page: Opened) -> None:
    """Say what to do where there is nothing to compare."""
    empty_state(
        "Two runs are needed",
        "balance",
        "So far one model has scored these images. A training makes another: it scores them when it ends.",
        partial(way_on, page, "Score them with another model", "classifier"),
    )


def runs_key(votes: Votes) -> str:
    """Return a key that changes with what a comparison depends on: the votes, the samples, and the dataset's runs."""
    runs = [f"{run.name} {run.scores_path.stat().st_mtime_ns}" for run in comparable_runs(votes.dataset)]
    return "\n".join([cache.votes_key(votes), *runs])


HASH_FUNCS = cache.HASH_FUNCS | {Votes: runs_key}
side_by_side = kept("Comparing the runs …", most=6, funcs=HASH_FUNCS)(service.side_by_side)
# Of these, which have a row a sample, only the newest: each is 0.5 GB of ten million.
compare_pair = kept("Comparing A and B …", most=1, funcs=HASH_FUNCS)(run_pair.compare_pair)
_hardness_ranks = kept("Ranking …", most=1, funcs=HASH_FUNCS)(service.hardness_ranks)


def ranks_shown(page: Opened) -> pd.DataFrame:
    """Return the ranks of hardness in the runs in the address, without a choice."""
    return _hardness_ranks(
        page.samples, page.votes, runs_choice(comparable_runs(page.dataset)).asked(), filters=page.filters
    )


def number_cell(value: float, digits: int) -> str:
    """Return a number, a dash where the run lacks it."""
    return estimate(value, float("nan"), float("nan"), digits)


# --- all runs ----------------------------------------------------------------------------------------------------

#: More lines in one reliability diagram cannot be distinguished.
_MOST_LINES = 5
_NOTE = (
    "Small: 95 % intervals (accuracy Wilson, ECE basic bootstrap, Spearman Bonett and Wright). Per class: mean of the "
    "classes' accuracies. ECE over 15 bins of equally many images, by the predicted class's probability; “chance” is "
    "what a perfectly calibrated model stays below in 97.5 % of draws. Brier: sum over classes, 0 to 2. NLL in nat."
)


def all_runs(page: Opened, runs: SideBySide, keys: Sequence[str]) -> None:
    """Draw the table, calibration, rank agreement and discoveries 4 and 5."""
    n = runs.n
    table = runs.table
    page.result.markdown(_most_often_right(table))
    st.html(_runs_html(page, runs, keys))
    st.caption(f"n {n:,} of {runs.labelled:,} labelled images in view: those that every run has scored. {_NOTE}")
    if without := plain(", ".join(table["model"][table["avh"].isna()])):
        st.caption(f"Without class weights, and so without AVH: {without}.")
    download("CSV", table.to_csv(index=False), f"{page.dataset.name}-models.csv", key="models.csv")
    # Of another run, filters by scores would choose other images than those counted.
    linked = n == runs.labelled and not (page.filters.ranges or page.filters.where or page.filters.mistakes)
    calibration, agreement = halves()
    with calibration:
        st.header("Is it as sure as it is right?")
        drawn = table[table["ece"].notna()].head(_MOST_LINES)
        called = dict(zip(drawn["run"], drawn["model"], strict=True))
        show_chart(plots.reliability(runs.calibrations, called, linked=linked), key="models.reliability")
        st.caption(f"A larger dot holds more images. Up to {_MOST_LINES} runs that have logits.")
    if len(table) > 1:
        with agreement:
            st.header("Do they find the same images hard?")
            st.caption("Spearman of AVH between every two runs, over the images of the table.")
            show_chart(plots.rank_matrix(runs.avh.dropna(how="all").dropna(how="all", axis=1)), key="models.ranks")
    if runs.voted:
        st.header(f"Discoveries 4 and 5 of {PAPER}")
        for finding in runs.findings:
            text = plain(finding.sentence(simulated=page.samples.simulated))
            st.markdown(f"**{finding.discovery} · {plain(finding.title)}: {finding.verdict}.** {text}")


def _most_often_right(table: pd.DataFrame) -> str:
    """Say which run is right most often, and whether that is clear: its interval is above those of all others."""
    best, *others = table.sort_values("accuracy", ascending=False).to_dict("records")
    often = " most often," if others else ""
    text = f"**{plain(best['model'])}** is right{often} on {100 * best['accuracy']:.1f} % of {best['n']:,} images"
    if any(other["accuracy_high"] >= best["accuracy_low"] for other in others):
        text += ", which others may equal by their intervals"
    return f"{text}."


def _runs_html(page: Opened, runs: SideBySide, keys: Sequence[str]) -> str:
    """Return a row a run: accuracy, calibration, mean AVH, and Spearman of each of `keys` with HSF."""
    learnt = learnt_here(page.dataset)
    measure = "avh"
    mean = "Mean AVH"
    hsf = "HSF"
    if runs.table["classes"].nunique() > 1:
        measure = "relative_avh"
        mean = "Relative AVH"
    if page.samples.simulated:
        hsf = "HSF, simulated"
    heads = ["Run", "n", "Accuracy", "Per class", "ECE", "Brier", "NLL", mean]
    if runs.voted:
        heads += [f"{escape(score_name(key))}<small>with {hsf}</small>" for key in keys]
    rows = []
    for row in runs.table.to_dict("records"):
        cells = [
            f"{row['n']:,}",
            interval_cell(row, "accuracy", 1, percent=True),
            number_cell(100 * row["class_accuracy"], 1),
            f"{interval_cell(row, 'ece', 3)}<small>chance {row['ece_chance']:.3f}</small>",
            *(number_cell(row[key], 4) for key in ("brier", "nll", measure)),
        ]
        if runs.voted:
            cells += [interval_cell(row, f"{key}_hsf", 3) for key in keys]
        notes = " · ".join(filter(None, [f"{row['classes']} classes", learnt.get(row["run"])]))
        rows.append(table_row(f"{escape(row['model'])}<small>{notes}</small>", cells, title=escape(row["run"])))
    return html_table(heads, rows)


def interval_cell(row: Mapping[Any, Any], key: str, digits: int, *, percent: bool = False) -> str:
    return estimate(row[key], row[f"{key}_low"], row[f"{key}_high"], digits, percent=percent)
