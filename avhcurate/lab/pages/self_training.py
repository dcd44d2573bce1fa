"""Self-training: rounds of pseudo-labels, runs side by side, what only one gate selects, and the export."""

import streamlit as st

from avhcurate.lab.self_training import ui as self_training_ui
from avhcurate.lab.self_training import ui_round
from avhcurate.ui.base import frame
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.shell.page_header import open_page

page = open_page("Self-training", self_training_ui.STORY, frame.with_data, votes=False, terms=["AVC"])
job_panel()
self_training_ui.await_round(page)
folders = self_training_ui.current_trainings(page)
if not folders:
    self_training_ui.first_start(page)
    st.stop()

results = st.container()
with st.expander("Start another"):
    self_training_ui.start_form(page)
with results:
    chosen_runs = self_training_ui.choose(folders)
    begun = [folder for folder in chosen_runs if folder.rounds()]
    if not begun:
        st.markdown(":material/hourglass_empty: No model has learnt from the source yet.")
        st.stop()
    self_training_ui.rounds_chart(page, begun)
    self_training_ui.runs_table(begun)
    self_training_ui.show_settings(chosen_runs)

    st.header("One round")
    if (selected_round := ui_round.choose_round(page, begun)) is None:
        st.stop()
    ui_round.classes(selected_round)
    listed = ui_round.gallery(page, selected_round)
show_details(page, listed)
