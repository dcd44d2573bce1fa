"""Home: the datasets, their distributions, and the jobs that score, import, fetch and attach votes."""

import streamlit as st

from avhcurate.features.home import ui as home_ui
from avhcurate.features.home import ui_guide
from avhcurate.features.home.ui_columns import own_columns
from avhcurate.ui import frame
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.page_header import subtitle
from avhcurate.ui.user_errors import plain

page = frame.page()
if page.table is None:
    st.title("Welcome")
    st.caption("See where people and an image classifier disagree, and leave with a label file.")
    if job_panel() is None:
        home_ui.welcome()
        ui_guide.guide(page)
    st.stop()

page = frame.with_data()
table = page.table
record = table.dataset.record
st.title(plain(record.name))
subtitle(page, plain(f"{record.kind.capitalize()} imported {record.created:%d %B %Y} from {record.source}"))
job_panel()

home_ui.broken_plugins()
home_ui.offer_demo(page)
home_ui.dataset_facts(table)
home_ui.messages(table)
st.space("small")
home_ui.spread(page)
own_columns(page)
st.space("small")
home_ui.model_runs(table)

st.space("small")
with st.container(border=True):
    ui_guide.guide(page)
