"""Training dynamics: AVH, norm, accuracy and loss of held-out samples, epoch by epoch."""

import streamlit as st

from avhcurate.training_dynamics import service as training_dynamics_service
from avhcurate.training_dynamics import ui as training_dynamics_ui
from avhcurate.training_dynamics import ui_data_map
from avhcurate.training_dynamics import ui_start as training_dynamics_ui_start
from avhcurate.ui import frame, job_forms
from avhcurate.ui.detail import show_details
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.page_header import subtitle
from avhcurate.ui.text import PAPER

st.title("Training dynamics")
here = frame.with_data()
subtitle(
    here,
    "What a network learns, and when: the same held-out samples, evaluated again and again.",
)
job = job_panel(here.workspace)
busy = job is not None and job.active
trainings = training_dynamics_service.trainings(here.workspace, here.table.dataset.name)
if not trainings:
    training_dynamics_ui_start.first(here, busy=busy)
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = training_dynamics_ui.choose(here, trainings)
    job_forms.another_button("train", "Train another")
job_forms.another("train", lambda: training_dynamics_ui_start.form(here, busy=busy))
training_dynamics_ui.need_samples(here, chosen)
training_dynamics_ui.curves(here, chosen, live=busy and job.verb == "train")

st.subheader(f"The five discoveries of {PAPER}")
training_dynamics_ui.findings(here, chosen)

st.subheader("Data map")
mapped = ui_data_map.mapped(here, chosen)
points = ui_data_map.points(here, mapped)
if points.empty:
    st.markdown(":material/hourglass_empty: The map begins with the first whole epoch.")
    st.stop()
tool = ui_data_map.choose_region(here, points)
clicked = ui_data_map.chart(here, points, tool)
training_dynamics_ui.links(here, mapped)
shown, opened = ui_data_map.images(here, points, about=f"{here.table.dataset.name} {here.version} {mapped.name}")
show_details(here, shown, clicked, opened)
