"""Correlation: how each score follows human judgement, over all samples and within each HSF bin."""

import streamlit as st

from avhcurate.datasets.export.text import csv_text
from avhcurate.features.annotate.ui_setup import offer_votes
from avhcurate.features.correlation import ui as correlation_ui
from avhcurate.features.correlation.plots import per_bin, ranking
from avhcurate.features.correlation.service import HSF, default_keys, export_table, to_latex
from avhcurate.features.correlation.ui_analyses import further
from avhcurate.features.predicted_hsf import ui as predicted_hsf_ui
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.layout import halves, in_a_row
from avhcurate.ui.base.notes import queue_sentence
from avhcurate.ui.base.score_help import column_name, explain_scores
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Correlation",
    "Which score follows people? Spearman correlation with HSF, or with another measure of the images, over all images "
    "and within bins.",
    correlation_ui.needs,
    terms=["AVH", "AVC", "HSF"],
)
if not page.count:
    nothing_matches()

with in_a_row("center"):
    against = correlation_ui.choose_against(page)
    columns = correlation_ui.choose_columns(page)
    downloads = in_a_row("center", gap="xsmall", horizontal_alignment="right")
result = correlation_ui.correlate(
    page.samples,
    page.opened.run,
    page.votes,
    keys=default_keys(page.samples, columns, against),
    filters=page.filters,
    against=against,
)
if text := queue_sentence(result.queue, weighs=True):
    st.warning(text, icon=":material/filter_alt:")
page.result.markdown(correlation_ui.summary(result))
offer_votes(page)

name = f"{page.dataset.name}-correlation"
with page.help:
    compared = dict.fromkeys([*result.keys, against])
    explain_scores([key for key in compared if key == HSF or result.ranked[key].needs != "table"])
with downloads:
    download("CSV", csv_text(export_table(result)), f"{name}.csv", key="correlation.csv")
    download("LaTeX", to_latex(result), f"{name}.tex", key="correlation.tex")

st.html(correlation_ui.table_html(result))
st.caption("  \n".join(filter(None, correlation_ui.notes(result))))

left, right = halves()
with left:
    st.markdown("**All images**")
    show_chart(ranking(result), key="correlation.ranking")
with right:
    st.markdown(f"**Within bins of {column_name(against)}**")
    shown = correlation_ui.choose_shown(result)
    if shown:
        show_chart(per_bin(result, shown), key="correlation.bins")
hard, edges = "people find hard", " Bin edges: More filters, left."
if against != HSF:
    amounts = {1: "little", -1: "much", 0: "much or little"}
    hard, edges = f"has {amounts[result.toward]} {column_name(against, 40)}", ""
st.caption(
    f"Agreement is Spearman turned by each score's hard end: above 0, the score finds hard what {hard}. "
    f"Lines are 95 % intervals.{edges}"
)

st.header("Two scores")
correlation_ui.compare(result)

if against == HSF:
    further(page, result.keys)
    predicted_hsf_ui.section(page)
