"""Training dynamics: AVH, norm, accuracy and loss of held-out samples, epoch by epoch."""

import streamlit as st

from avhcurate.lab.training_dynamics import ui as training_dynamics_ui
from avhcurate.ui.base import frame
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.notes import show_queue_note
from avhcurate.ui.base.text import PAPER
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Training dynamics",
    "What a network learns, and when: the same held-out images, evaluated again and again.",
    frame.with_data,
)
job_panel()
trainings = page.dataset.trainings()[::-1]
if not trainings:
    training_dynamics_ui.first_start(page)
    st.stop()

page.help.markdown(training_dynamics_ui.ABOUT_VERDICTS)
results = st.container()
with st.expander("Train another"):
    training_dynamics_ui.start_form(page)
with results:
    selected = training_dynamics_ui.choose(page, trainings)
    training_dynamics_ui.need_samples(page, selected)
    training_dynamics_ui.curves(page, selected, live=not all(training.complete for training in selected))

    st.header(f"The five discoveries of {PAPER}")
    show_queue_note(page.votes)
    training_dynamics_ui.findings(page, selected)

    st.header("Data map")
    mapped = selected[0]
    part = training_dynamics_ui.choose_part(page, mapped)
    points = training_dynamics_ui.points(page.samples, mapped, part=part, filters=page.filters)
    if points.empty:
        st.markdown(":material/hourglass_empty: The map begins with the first whole epoch.")
        st.stop()
    tool = training_dynamics_ui.choose_region(page, points)
    clicked = training_dynamics_ui.chart(page, points, part, tool)
    subject = f"{page.dataset.name} {page.version} {mapped.name}"
    listed = training_dynamics_ui.images(page, points, part, subject=subject)
show_details(page, listed, clicked)
