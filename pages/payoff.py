"""Payoff: whether decisions about labels made a network better, measured on images that nothing has learnt from."""

import streamlit as st

from avhcurate.datasets.curate.locked import lags
from avhcurate.features.payoff import ui as payoff_ui
from avhcurate.ui.base import frame
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Payoff",
    "What your decisions were worth: heads before and after them, compared on the locked part.",
    frame.with_run,
    votes=False,
    terms=[],
)
job_panel()
if not page.samples.locked_by:
    payoff_ui.offer_lock(page)
    st.stop()
if lags(page.dataset, page.run.record):
    payoff_ui.offer_heads(page)
    st.stop()
if page.samples.size > payoff_ui.MOST:
    st.write(f"{page.samples.size:,} images are too many for this page. Use the command line:")
    st.code(f"avhcurate payoff {page.dataset.name}", language="bash")
    st.stop()
payoff_ui.show(page, payoff_ui.compare(page))
payoff_ui.show_keep(page)
