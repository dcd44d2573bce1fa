"""Suspects: labels that are likely wrong, with the evidence; one key accepts, keeps or skips."""

import streamlit as st

from avhcurate.suspects import ui as suspects_ui
from avhcurate.suspects import ui_review
from avhcurate.ui import frame
from avhcurate.ui.detail import show_details
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.page_header import subtitle

st.title("Suspects")
here = frame.with_run()
subtitle(here, "Labels that are likely wrong, the most suspect first, and what speaks against each.")
job = job_panel(here.workspace)
busy = job is not None and job.active
folder = suspects_ui.chosen_list(here)
if folder is None:
    suspects_ui.empty(here, busy=busy)
    st.stop()
if not here.count:
    nothing_matches()

suspects = suspects_ui.suspects_in_view(here, folder)
suspects_ui.choose_suspects(here, suspects)
suspects_ui.summary(here, suspects)
if suspects_ui.VIEW.of(here.view) == "one":
    ui_review.one_by_one(
        here, suspects.record, suspects.every, suspects.about, suspects.open["id"].astype(int).tolist()
    )
else:
    shown, opened = suspects_ui.listing(here, suspects)
    show_details(here, shown, opened)
with st.expander("Run again with other settings"):
    suspects_ui.start_form(here, busy=busy)
