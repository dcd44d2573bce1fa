"""Shared by the parts of the Models page: choices of runs and scores, the cached comparisons, cells of tables."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.compare import run_pair, service
from avhcurate.features.compare.samples import KEYS, MOST_RUNS, comparable_runs, default_runs
from avhcurate.ui.base import cache
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened, way_on
from avhcurate.ui.base.layout import empty_state, in_a_row
from avhcurate.ui.base.notes import run_titles
from avhcurate.ui.base.page_choices import Choice, one_of, some_of
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.charts.html_table import estimate
from avhcurate.workspace.data.runs import RunFolder

#: Parts of the page: one is computed and drawn at a time.
PARTS = {
    "all": "All runs",
    "pair": "Who is right",
    "confusion": "Confusions",
    "hard": "Hard for one, or for all",
    "transfer": "Across datasets",
}
PART = one_of("models.part", tuple(PARTS), "all")

_MOST_SCORES = 4
SCORES_SHOWN = some_of("models.scores", KEYS, ["avh", "confidence"], most=_MOST_SCORES)


def part(runs: Sequence[RunFolder]) -> str:
    """Choose the part of the page; with a single run only those that need no second."""
    possible = PARTS
    if len(runs) < 2:
        possible = {name: PARTS[name] for name in ("all", "confusion", "transfer")}
    look: dict[str, Any] = {"on_change": PART.restart, "label_visibility": "collapsed"}
    return PART.show(st.segmented_control, "Part", possible, **look)


def chosen_runs(page: Opened, runs: Sequence[RunFolder]) -> list[str]:
    """Choose the runs of the table: the newest of each network unless the address says otherwise."""
    called = run_titles(page.dataset)
    return runs_choice(runs).show(
        st.multiselect,
        "Runs",
        {run.name: called[run.name] for run in runs},
        max_selections=MOST_RUNS,
        placeholder="The newest run of each network",
        help=f"Up to {MOST_RUNS}, on the images that all of them have scored.",
    )


def runs_choice(runs: Sequence[RunFolder]) -> Choice[list[str]]:
    names = [run.name for run in runs]
    return some_of("models.runs", names, default_runs(runs), most=MOST_RUNS)


def chosen_scores() -> list[str]:
    """Choose the scores whose correlation with HSF is compared; AVH where the choice is empty."""
    look: dict[str, Any] = {"format_func": score_name, "max_selections": _MOST_SCORES, "placeholder": "AVH"}
    return SCORES_SHOWN.show(st.multiselect, "Scores against HSF", KEYS, **look) or ["avh"]


def chosen_pair(page: Opened, runs: Sequence[RunFolder]) -> tuple[str, str] | None:
    """Choose runs A and B, by default the open run and the newest other; None for one run twice."""
    called = run_titles(page.dataset)
    names = {run.name: called[run.name] for run in runs}
    first = one_of("models.a", tuple(names), page.run.root.name)
    with in_a_row():
        a = first.show(st.selectbox, "A", names, width=300)
        second = one_of("models.b", tuple(names), next(name for name in names if name != a))
        b = second.show(st.selectbox, "B", names, width=300)
    if a == b:
        st.caption("Choose two different runs.")
        return None
    return a, b


def only_one_run(page: Opened, runs: Sequence[RunFolder]) -> None:
    """Say what to do where there is nothing to compare."""
    empty_state(
        "Two runs are needed",
        "balance",
        "So far one model has scored these images. A training makes another: it scores them when it ends.",
        partial(way_on, page, "Score them with another model", "classifier"),
    )


def runs_key(table: DatasetTable) -> str:
    """Return a key that changes with what a comparison depends on: the table, and the dataset's runs."""
    runs = [f"{run.name} {run.scores_path.stat().st_mtime_ns}" for run in comparable_runs(table)]
    return "\n".join([cache.cache_key(table), *runs])


HASH_FUNCS = cache.HASH_FUNCS | {DatasetTable: runs_key}
side_by_side = kept("Comparing the runs …", most=6, funcs=HASH_FUNCS)(service.side_by_side)
# Of these, which have a row a sample, only the newest: each is 0.5 GB of ten million.
compare_pair = kept("Comparing A and B …", most=1, funcs=HASH_FUNCS)(run_pair.compare_pair)
_hardness_ranks = kept("Ranking …", most=1, funcs=HASH_FUNCS)(service.hardness_ranks)


def ranks_shown(page: Opened) -> pd.DataFrame:
    """Return the ranks of hardness in the runs in the address, without a choice."""
    return _hardness_ranks(page.table, runs_choice(comparable_runs(page.table)).asked(), filters=page.filters)


def number_cell(value: float, digits: int) -> str:
    """Return a number, a dash where the run lacks it."""
    return estimate(value, float("nan"), float("nan"), digits)
