"""Suspects: labels that are likely wrong, with the evidence; one key accepts, keeps or skips."""

import streamlit as st

from avhcurate.ui import frame, review, suspects
from avhcurate.ui.detail import show_details
from avhcurate.ui.gallery import nothing_matches
from avhcurate.ui.heading import subtitle
from avhcurate.ui.jobs import job_panel

st.title("Suspects")
here = frame.with_run()
subtitle(here, "Labels that are likely wrong, the most suspect first, and what speaks against each.")
job = job_panel(here.workspace)
busy = job is not None and job.active
folder = suspects.chosen_list(here)
if folder is None:
    suspects.empty(here, busy=busy)
    st.stop()
if not here.count:
    nothing_matches()

found = suspects.suspects_in_view(here, folder)
suspects.choose_suspects(here, found)
suspects.summary(here, found)
if suspects.VIEW.of(here.view) == "one":
    review.one_by_one(here, found.record, found.every, found.about, found.open["id"].astype(int).tolist())
else:
    shown, opened = suspects.listing(here, found)
    show_details(here, shown, opened)
with st.expander("Run again with other settings"):
    suspects.start_form(here, busy=busy)
