"""What the parts of the Models page share: choices of runs and scores, the cached comparisons, cells of tables."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from avhcurate.compare import run_pair, service
from avhcurate.compare.samples import KEYS, MOST_RUNS, comparable_runs, default_runs
from avhcurate.compare.service import SideBySide
from avhcurate.data.runs import RunFolder
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.training_dynamics.ui_start import usual_model
from avhcurate.ui import cache, url_state
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import estimate
from avhcurate.ui.layout import empty_state
from avhcurate.ui.notes import run_titles
from avhcurate.ui.page_choices import Choice, one_of, some_of
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import p_text
from avhcurate.ui.user_errors import plain

#: Parts of the page: one is worked out and drawn at a time.
PARTS = {
    "all": "All runs",
    "pair": "Who is right",
    "scatter": "AVH against AVH",
    "confusion": "Confusions",
    "hard": "Hard for one, or for all",
    "transfer": "Across datasets",
}
PART = one_of("models.part", tuple(PARTS), "all")

_MOST_SCORES = 4
SCORES_SHOWN = some_of("models.scores", KEYS, ["avh", "confidence"], most=_MOST_SCORES)


# --- choices -------------------------------------------------------------------------------------------------


def part(page: Opened, runs: Sequence[RunFolder]) -> str:
    """Which part of the page is open; with a single run only those that need no second."""
    possible = list(PARTS) if len(runs) > 1 else ["all", "transfer"]
    return PART.show(
        st.segmented_control,
        "Part",
        page.view,
        {name: PARTS[name] for name in possible} | _scatter_title(runs, possible),
        on_change=PART.restart,
        label_visibility="collapsed",
    )


def _scatter_title(runs: Sequence[RunFolder], possible: Sequence[str]) -> dict[str, str]:
    """The part that draws hardness of A against B, where not every run has AVH."""
    lacking = "scatter" in possible and not all(run.has_class_weights for run in runs)
    return {"scatter": "Hardness against hardness"} if lacking else {}


def filters_note(page: Opened) -> None:
    """Says by which run the filters go that are about predictions or scores."""
    filters = page.filters
    if filters.mistakes or filters.predicted or filters.ranges or filters.where:
        called = run_titles(page.table.dataset)
        run = plain(called[page.table.run.root.name]) if page.table.run else "none"
        st.caption(f"Filters on predictions and scores go by the run that is open on the left: {run}.")


def chosen_runs(page: Opened, runs: Sequence[RunFolder]) -> list[str]:
    """The runs of the table, by name: the newest of each network unless the address says otherwise."""
    called = run_titles(page.table.dataset)
    return _runs_choice(runs).show(
        st.multiselect,
        "Runs",
        page.view,
        {run.name: called[run.name] for run in runs},
        max_selections=MOST_RUNS,
        placeholder="The newest run of each network",
        help=f"Up to {MOST_RUNS}, on the samples that all of them have scored.",
    )


def _runs_choice(runs: Sequence[RunFolder]) -> Choice[list[str]]:
    names = [run.name for run in runs]

    def read(text: str) -> list[str]:
        chosen = list(dict.fromkeys(text.split(",")))[:MOST_RUNS]
        if not set(chosen) <= set(names):
            raise ValueError(text)
        return chosen

    return Choice("models.runs", default_runs(runs), read, ",".join)


def chosen_scores(page: Opened) -> list[str]:
    """The scores whose correlation with HSF is compared; AVH where the choice is empty."""
    if page.table.votes is None:
        return SCORES_SHOWN.of(page.view) or ["avh"]
    chosen = SCORES_SHOWN.show(
        st.multiselect,
        "Scores against HSF",
        page.view,
        KEYS,
        format_func=score_name,
        max_selections=_MOST_SCORES,
        placeholder="AVH",
    )
    return chosen or ["avh"]


def chosen_pair(page: Opened, runs: Sequence[RunFolder]) -> tuple[str, str] | None:
    """Runs A and B: the open run and the newest other, unless the address says otherwise; None for one run twice."""
    called = run_titles(page.table.dataset)
    names = {run.name: called[run.name] for run in runs}
    opened = page.table.run.root.name if page.table.run else runs[0].name
    first = one_of("models.a", tuple(names), opened)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = first.show(st.selectbox, "A", page.view, names, width=300)
        second = one_of("models.b", tuple(names), next(name for name in names if name != a))
        b = second.show(st.selectbox, "B", page.view, names, width=300)
        st.button("Swap", icon=":material/swap_horiz:", key="models.swap", on_click=_swap, args=(first, second, a, b))
    if a == b:
        st.caption("Choose two different runs.")
        return None
    return a, b


def _swap(first: Choice[str], second: Choice[str], a: str, b: str) -> None:
    first.put(b)
    # What the second falls back to depends on the first, so it is always written out.
    url_state.write(url_state.current().choosing(second.name, a))


def only_one_run(page: Opened, runs: Sequence[RunFolder]) -> None:
    """What to do where there is nothing to compare."""
    name = page.table.dataset.name
    model = runs[0].record.model if runs else "torchvision:resnet50"
    network = usual_model(page.table.dataset)
    other = f"{model} --weights OTHER.safetensors" if model.startswith("avhcurate:") else "ANOTHER_MODEL"
    empty_state(
        "Two runs are needed",
        "balance",
        "So far one model has scored this dataset. Score it with another, with other weights of the same model, "
        "or train one: its network is scored when the training ends. Start either on the Home page, or run:",
        command=f"avhcurate score {name} --model {other}\navhcurate train {name} --model {network}",
    )


# --- comparisons, cached --------------------------------------------------------------------------------------


def runs_key(table: DatasetTable) -> str:
    """Changes with whatever a comparison depends on: what `cache.cache_key` says, and the dataset's runs."""
    runs = [f"{run.name} {run.scores_path.stat().st_mtime_ns}" for run in comparable_runs(table)]
    return "\n".join([cache.cache_key(table), *runs])


HASH_FUNCS = cache.HASH_FUNCS | {DatasetTable: runs_key}
side_by_side = st.cache_resource(max_entries=6, show_spinner="Comparing the runs …", hash_funcs=HASH_FUNCS)(
    service.side_by_side
)
compare_pair = st.cache_resource(max_entries=6, show_spinner="Comparing A and B …", hash_funcs=HASH_FUNCS)(
    run_pair.compare_pair
)


def runs_shown(page: Opened) -> SideBySide:
    """The table of the runs and scores that the address names, without asking for them."""
    names = _runs_choice(comparable_runs(page.table)).of(page.view)
    return side_by_side(page.table, names, keys=SCORES_SHOWN.of(page.view) or ["avh"], filters=page.filters)


# --- tables ------------------------------------------------------------------------------------------------------

#: Below every table of `test_cells`.
TEST_NOTE = (
    "Agreement is Spearman with HSF turned by the score's hard end: above 0, the run finds hard what has a low HSF. "
    "Meng, Rosenthal and Rubin's test of two correlations on the same samples; where its standard error is off by more "
    "than a tenth, that by a jackknife of ranks. With the 95 % interval of the difference of Fisher z; p alone, and by "
    "Holm's method for all comparisons of the table."
)


def interval_cell(row: Mapping[Any, Any], key: str, digits: int, *, percent: bool = False) -> str:
    """A value with the ends of its interval, columns `KEY`, `KEY_low` and `KEY_high`."""
    return estimate(row[key], row[f"{key}_low"], row[f"{key}_high"], digits, percent=percent)


def test_cells(row: Any) -> list[str]:
    """n, both agreements, the difference of Fisher z with its interval, and p, alone and by Holm's method."""
    nan = float("nan")
    agreements = [estimate(value, nan, nan, 3) for value in (row.first_agreement, row.second_agreement)]
    tested = row.p_value == row.p_value
    difference = estimate(row.difference, row.ci_low, row.ci_high, 3) if tested else "–"
    p = f"{escape(p_text(row.p_value))}<small>by Holm {escape(p_text(row.p_holm))}</small>" if tested else "–"
    return [f"{row.n:,}", *agreements, difference, p]
