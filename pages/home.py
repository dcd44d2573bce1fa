"""Home: what is loaded, how it is spread, and the jobs that bring more: score, import, attach votes."""

import streamlit as st

from avhcurate.home import ui as home_ui
from avhcurate.home import ui_start as home_ui_start
from avhcurate.ui import frame
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.page_header import subtitle
from avhcurate.ui.user_errors import plain

here = frame.here()
if here.table is None:
    st.title("Welcome")
    st.caption("See where people and an image classifier disagree, and leave with a label file.")
    job = job_panel(here.workspace)
    if job is None or not job.active:
        frame.empty_workspace(here)
        st.markdown("**Import images**")
        home_ui_start.import_form(here.workspace.root, busy=False)
        st.markdown("**Or fetch a public dataset**")
        home_ui_start.fetch_form(here.workspace.root, busy=False)
    st.stop()

here = frame.with_data()
table, root = here.table, here.workspace.root
record = table.dataset.record
st.title(plain(record.name))
subtitle(here, plain(f"{record.kind.capitalize()} imported {record.created:%d %B %Y} from {record.source}"))
job = job_panel(here.workspace)

home_ui.dataset_facts(table)
home_ui.messages(table)
st.space("small")
home_ui.spread(here)
st.space("small")
home_ui.runs(table)

st.space("small")
with st.container(border=True):
    ACTIONS = {
        "Score with a model": "score",
        "Attach votes": "votes",
        "Import images": "import",
        "Fetch public data": "fetch",
    }
    action = st.segmented_control(
        "What to do next", list(ACTIONS), default=next(iter(ACTIONS)), required=True, key=f"home.action.{record.name}"
    )
    busy = job is not None and job.active
    if ACTIONS[action] == "score":
        home_ui_start.score_form(root, table, busy=busy)
    elif ACTIONS[action] == "votes":
        home_ui_start.votes_form(root, table, busy=busy)
    elif ACTIONS[action] == "fetch":
        home_ui_start.fetch_form(root, busy=busy)
    else:
        home_ui_start.import_form(root, busy=busy)
