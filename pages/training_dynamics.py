"""Training dynamics: how AVH, norm, accuracy and loss of held-out samples come about, epoch by epoch."""

import streamlit as st

from avhcurate.services import dynamics
from avhcurate.ui import data_map, discoveries, frame, starting, training_dynamics, training_start
from avhcurate.ui.detail import show_details
from avhcurate.ui.heading import subtitle
from avhcurate.ui.jobs import job_panel

st.title("Training dynamics")
here = frame.with_data()
subtitle(here, "What a network learns, and when: the same held-out samples, evaluated again and again as it trains.")
job = job_panel(here.workspace)
busy = job is not None and job.active
found = dynamics.trainings(here.workspace, here.table.dataset.name)
if not found:
    training_start.first(here, busy=busy)
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = training_dynamics.choose(here, found)
    starting.another_button("train", "Train another")
starting.another("train", lambda: training_start.form(here, busy=busy))
if training_dynamics.none_in_view(here, chosen):
    st.stop()
training_dynamics.curves(here, chosen, live=busy and job.verb == "train")

st.subheader("The five discoveries of the paper")
discoveries.findings(here, chosen)

st.subheader("Data map")
mapped = training_dynamics.mapped(here, chosen)
points = training_dynamics.points(here, mapped)
if points.empty:
    st.markdown(":material/hourglass_empty: The map begins with the first whole epoch.")
    st.stop()
tool = data_map.choose_region(here, points)
clicked = data_map.chart(here, points, tool)
training_dynamics.links(here, mapped)
shown, opened = data_map.images(here, points, about=f"{here.table.dataset.name} {here.version} {mapped.name}")
show_details(here, shown, clicked, opened)
