"""All runs on the Models page: their table, calibration, rank agreement, and how each follows HSF."""

from collections.abc import Sequence
from itertools import combinations

import streamlit as st

from avhcurate.compare import service
from avhcurate.compare.plots import rank_matrix, reliability
from avhcurate.compare.service import SideBySide
from avhcurate.compare.ui_tables import TEST_NOTE, hsf_html, people, runs_html, tests_html
from avhcurate.stats.calibration import BINNINGS
from avhcurate.training_dynamics.discovery_text import TITLES, sentence
from avhcurate.ui.charts import show_chart
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import halves
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.text import PAPER
from avhcurate.ui.user_errors import plain

BINNING = one_of("models.binning", tuple(BINNINGS), "mass")
#: More lines in one reliability diagram cannot be told apart.
_MOST_LINES = 5


def all_runs(here: Opened, found: SideBySide, keys: Sequence[str]) -> None:
    """The table, calibration, rank agreement and discoveries 4 and 5."""
    st.html(runs_html(found, keys))
    st.caption(_below_table(found))
    text = service.export_table(found).to_csv(index=False)
    download("CSV", text, f"{here.table.dataset.name}-models.csv", key="models.csv")
    left, right = halves()
    with left:
        _reliability(here, found)
    if len(found.table) > 1:
        with right:
            st.subheader("Do they find the same samples hard?")
            st.caption("Spearman of AVH between every two runs, over the samples of the table.")
            show_chart(rank_matrix(found.avh), key="models.ranks")
            with st.expander("The same of the norm"):
                show_chart(rank_matrix(found.norm), key="models.norm_ranks")
    if found.samples.voted:
        _discoveries(found)
        _tests(found)


def _below_table(found: SideBySide) -> str:
    n, labelled = len(found.samples), found.labelled
    out = (
        "" if n == labelled else f" {labelled - n:,} of {labelled:,} labelled samples in view lack a score of some run."
    )
    return (
        f"n {n:,}: labelled samples in view that every run has scored.{out} Small: 95 % intervals (accuracy Wilson, "
        "ECE basic bootstrap, Spearman Bonett and Wright). Per class: mean of the classes' accuracies. ECE over 15 "
        "bins of the predicted class's probability; “chance” is what a perfectly calibrated model stays below in "
        "97.5 % of draws. Brier: sum over classes, 0 to 2. NLL in nat."
    )


def _reliability(here: Opened, found: SideBySide) -> None:
    st.subheader("Is it as sure as it is right?")
    names = {key: name.capitalize() for key, name in BINNINGS.items()}
    binning = BINNING.show(st.segmented_control, "Bins", here.view, names, label_visibility="collapsed")
    rows = found.table.head(_MOST_LINES)
    show_chart(
        reliability({row["model"]: found.calibrations[row["run"], binning] for row in rows.to_dict("records")}),
        key="models.reliability",
    )
    if len(found.table) > _MOST_LINES:
        st.caption(f"The first {_MOST_LINES} of {len(found.table)} runs. A larger dot holds more samples.")
    else:
        st.caption("On the dashed line confidence is what it says. A larger dot holds more samples.")


def _discoveries(found: SideBySide) -> None:
    """AVH and norm with HSF for every run, and what that says of the paper's discoveries 4 and 5."""
    st.subheader(f"Discoveries 4 and 5 of {PAPER}")
    st.html(hsf_html(found))
    for finding in found.findings:
        said = plain(sentence(finding, simulated=found.simulated))
        st.markdown(f"**{finding.discovery} · {plain(TITLES[finding.discovery])}: {finding.verdict}.** {said}")


def _tests(found: SideBySide) -> None:
    """The test of two dependent correlations for every two runs."""
    names = dict(zip(found.table["run"], found.table["model"], strict=True))
    if pairs := len(list(combinations(names, 2))):
        with st.expander(f"Which run follows {people(found.simulated)} more closely ({pairs} pairs)"):
            st.html(tests_html(found, names))
            st.caption(TEST_NOTE)
