"""Suspects: labels that are likely wrong, with the evidence; one key accepts, keeps or skips."""

import streamlit as st

from avhcurate.features.suspects import ui as suspects_ui
from avhcurate.features.suspects import ui_review
from avhcurate.features.suspects.store import suspects_of
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.grid.strip import show_strip
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Suspects",
    "Labels that may be wrong, the most suspect first, and what speaks against each.",
    terms=["AVH", "AVC", "HSF"],
)
show_strip(page)
job_panel()
found = suspects_of(page.run)
if not found:
    suspects_ui.empty(page)
    st.stop()
if not page.count:
    nothing_matches()

suspects = suspects_ui.suspects_in_view(page, found[-1])
suspects_ui.toolbar(page, suspects)
if suspects_ui.VIEW.asked() == "one":
    ui_review.one_by_one(page, suspects)
else:
    show_details(page, suspects_ui.listing(page, suspects))
suspects_ui.footer(page, suspects)
