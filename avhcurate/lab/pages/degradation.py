"""Degradation: contrast, noise, blur and JPEG in steps, and whether each score rises or falls with them."""

import streamlit as st

from avhcurate.datasets.table.titles import title_of
from avhcurate.lab.degradation import ui as degradation_ui
from avhcurate.ui.base import frame
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Degradation",
    "Images made worse step by step: a score of hardness should follow every step.",
    votes=False,
    terms=["AVH"],
)
if page.run.record.attached is not None:
    frame.lacking(
        page,
        "network",
        "It was attached from outputs computed elsewhere, and degraded images must go through the network.",
        "classifier",
    )
job_panel()
folder = degradation_ui.chosen_degradation(page)
if folder is None:
    degradation_ui.empty(page)
    st.stop()

result = degradation_ui.result_of(page.samples, folder, page.filters)
if not len(result.ids):
    nothing_matches()

measures, by_bin = degradation_ui.choose_curves(page, result)
page.result.markdown(degradation_ui.summary_text(result.summary))
degradation_ui.curves(result, measures, by_bin=by_bin, simulated=page.samples.simulated)
degradation_ui.table(result, name=page.dataset.name)
degradation_ui.example(page, result)

record = folder.record
title = title_of(page.dataset, record.run)
st.caption(
    plain(
        f"{record.samples:,} images of {title}, {record.skipped} skipped, {record.steps} steps each, "
        f"{record.side} x {record.side} pixels, {record.precision} on {record.device}, "
        f"{record.seconds:,.0f} s, {record.started:%d %B %Y}."
    )
)
with st.expander("Run again with other settings"):
    degradation_ui.start_form(page)
