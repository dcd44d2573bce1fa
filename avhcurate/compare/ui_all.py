"""All runs on the Models page: their table, calibration, rank agreement, and how each follows HSF."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import combinations
from typing import Any

import streamlit as st

from avhcurate.compare import service
from avhcurate.compare.plots import rank_matrix, reliability
from avhcurate.compare.service import SideBySide
from avhcurate.compare.ui import TEST_NOTE, interval_cell, test_cells
from avhcurate.stats.calibration import BINNINGS
from avhcurate.table.titles import learnt_here
from avhcurate.training_dynamics.discovery_text import TITLES, sentence
from avhcurate.ui.charts import show_chart
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.layout import halves
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import PAPER, people
from avhcurate.ui.user_errors import plain

BINNING = one_of("models.binning", tuple(BINNINGS), "mass")
#: More lines in one reliability diagram cannot be told apart.
_MOST_LINES = 5


def all_runs(page: Opened, runs: SideBySide, keys: Sequence[str]) -> None:
    """The table, calibration, rank agreement and discoveries 4 and 5."""
    st.html(_runs_html(runs, keys, learnt_here(page.table.dataset)))
    st.caption(_below_table(runs))
    download(
        "CSV", service.export_table(runs).to_csv(index=False), f"{page.table.dataset.name}-models.csv", key="models.csv"
    )
    left, right = halves()
    with left:
        _reliability(page, runs)
    if len(runs.table) > 1:
        with right:
            st.header("Do they find the same samples hard?")
            st.caption("Spearman of AVH between every two runs, over the samples of the table.")
            _ranks(runs, "avh", key="models.ranks")
            with st.expander("The same of the norm"):
                _ranks(runs, "norm", key="models.norm_ranks")
    if runs.voted:
        _discoveries(runs)
        _tests(runs)


def _ranks(runs: SideBySide, score: str, *, key: str) -> None:
    """Spearman of a score between the runs that have it."""
    has = runs.table[score].notna().to_numpy()
    if has.sum() < 2:
        st.caption("Fewer than two of these runs have it.")
        return
    show_chart(rank_matrix((runs.avh if score == "avh" else runs.norm).loc[has, has]), key=key)


def _below_table(runs: SideBySide) -> str:
    n, labelled = len(runs.ids), runs.labelled
    lacking = f"{labelled - n:,} of {labelled:,} labelled samples in view lack a score of some run. "
    attached = [row["model"] for row in runs.table.to_dict("records") if row["avh"] != row["avh"]]
    without = f"Attached without class weights, so without AVH: {plain(', '.join(attached))}. " if attached else ""
    return (
        f"{without}n {n:,}: labelled samples in view that every run has scored. {lacking if n < labelled else ''}"
        "Small: 95 % intervals (accuracy Wilson, ECE basic bootstrap, Spearman Bonett and Wright). Per class: mean of "
        "the classes' accuracies. ECE over 15 bins of the predicted class's probability; “chance” is what a perfectly "
        "calibrated model stays below in 97.5 % of draws. Brier: sum over classes, 0 to 2. NLL in nat."
    )


def _reliability(page: Opened, runs: SideBySide) -> None:
    st.header("Is it as sure as it is right?")
    names = {key: name.capitalize() for key, name in BINNINGS.items()}
    binning = BINNING.show(st.segmented_control, "Bins", page.view, names, label_visibility="collapsed")
    rows = runs.table[runs.table["ece_mass"].notna()].head(_MOST_LINES)
    if rows.empty:
        st.caption("No run here has logits or probabilities, so none says how sure it is.")
        return
    show_chart(
        reliability({row["model"]: runs.calibrations[row["run"], binning] for row in rows.to_dict("records")}),
        key="models.reliability",
    )
    if runs.table["ece_mass"].notna().sum() > _MOST_LINES:
        st.caption(f"The first {_MOST_LINES} of {len(runs.table)} runs. A larger dot holds more samples.")
    else:
        st.caption("On the dashed line confidence is what it says. A larger dot holds more samples.")


def _discoveries(runs: SideBySide) -> None:
    """AVH and norm with HSF for every run, and the verdicts on discoveries 4 and 5."""
    st.header(f"Discoveries 4 and 5 of {PAPER}")
    st.html(_hsf_html(runs))
    for finding in runs.findings:
        text = plain(sentence(finding, simulated=runs.simulated))
        st.markdown(f"**{finding.discovery} · {plain(TITLES[finding.discovery])}: {finding.verdict}.** {text}")


def _tests(runs: SideBySide) -> None:
    """The test of two dependent correlations for every two runs."""
    names = dict(zip(runs.table["run"], runs.table["model"], strict=True))
    if pairs := len(list(combinations(names, 2))):
        with st.expander(f"Which run follows {people(runs.simulated)} more closely ({pairs} pairs)"):
            st.html(_tests_html(runs, names))
            st.caption(TEST_NOTE)


# --- tables ------------------------------------------------------------------------------------------------------


def _runs_html(runs: SideBySide, keys: Sequence[str], learnt: Mapping[str, str]) -> str:
    """A row a run: accuracy, calibration, mean AVH, and Spearman of each of `keys` with HSF where there are votes.

    `learnt`: of runs that learnt from the dataset's samples, from how many.
    """
    table = runs.table
    keys = keys if runs.voted else []
    measure = "avh" if table["classes"].nunique() == 1 else "relative_avh"
    hsf = "HSF, simulated" if runs.simulated else "HSF"
    heads = ["Run", "n", "Accuracy", "Per class", "ECE<small>equal mass</small>", "ECE<small>equal width</small>"]
    heads += ["Brier", "NLL", "Mean AVH" if measure == "avh" else "Relative AVH"]
    heads += [f"{escape(score_name(key))}<small>with {hsf}</small>" for key in keys]
    rows = []
    for row in table.to_dict("records"):
        cells = [
            f"{row['n']:,}",
            interval_cell(row, "accuracy", 1, percent=True),
            _number(100 * row["class_accuracy"], 1),
            *(_ece(row, f"ece_{binning}") for binning in BINNINGS),
            *(_number(row[key], 4) for key in ("brier", "nll", measure)),
            *(interval_cell(row, f"{key}_hsf", 3) for key in keys),
        ]
        notes = filter(None, [f"{row['classes']} classes", learnt.get(row["run"])])
        name = f"{escape(row['model'])}<small>{' · '.join(notes)}</small>"
        rows.append(table_row(name, cells, title=escape(row["run"])))
    return html_table(heads, rows)


def _hsf_html(runs: SideBySide) -> str:
    """A row a run: Spearman of AVH and of the norm with HSF."""
    hsf = "HSF (simulated votes)" if runs.simulated else "HSF"
    rows = [
        table_row(escape(row["model"]), [f"{row['n']:,}", *(interval_cell(row, key, 3) for key in ("avh", "norm"))])
        for row in runs.follows.rename(columns={"avh_spearman": "avh", "norm_spearman": "norm"}).to_dict("records")
    ]
    return html_table(["Run", "n", f"AVH with {hsf}", f"Norm with {hsf}"], rows)


def _tests_html(runs: SideBySide, names: Mapping[str, str]) -> str:
    """The test of every two runs, each score in its row; `names` of the runs."""
    rows = [
        table_row(
            escape(f"{names[str(row.first)]} − {names[str(row.second)]}"),
            [escape(score_name(str(row.score))), *test_cells(row)],
        )
        for row in runs.pairs.itertuples()
    ]
    return html_table(["First − second", "Score", "n", "First", "Second", "Difference of z", "p"], rows)


def _number(value: float, digits: int) -> str:
    """A number of a run, a dash where the run lacks what it is computed from."""
    return estimate(value, float("nan"), float("nan"), digits)


def _ece(row: Mapping[Any, Any], key: str) -> str:
    if row[key] != row[key]:
        return "–"
    ends = f"{row[f'{key}_low']:.3f} to {row[f'{key}_high']:.3f}"
    return f"{row[key]:.3f}<small>{ends}</small><small>chance {row[f'{key}_chance']:.3f}</small>"
