"""Degradation: contrast, noise, blur and JPEG in steps, and whether each score rises or falls with them."""

import streamlit as st

from avhcurate.degradation import ui as degradation_ui
from avhcurate.degradation import ui_example
from avhcurate.ui import frame
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.page_header import subtitle
from avhcurate.ui.user_errors import plain

st.title("Degradation")
here = frame.with_run()
subtitle(here, "Images made worse step by step: a score of hardness should follow every step.", votes=False)
job = job_panel(here.workspace)
busy = job is not None and job.active
folder = degradation_ui.chosen_degradation(here)
if folder is None:
    degradation_ui.empty(here, busy=busy)
    st.stop()

result = degradation_ui.result_of(here.table, folder, here.filters)
if not result.degraded.images:
    nothing_matches()

kinds, measures, by_bin = degradation_ui.choose_curves(here, result)
st.markdown(degradation_ui.summary_text(result.summary, kinds))
degradation_ui.curves(result, kinds, measures, by_bin=by_bin, simulated=here.table.simulated)
st.subheader("Image by image")
degradation_ui.boxes(result, kinds)
degradation_ui.table(result, kinds, name=here.table.dataset.name)
ui_example.example(here, result, kinds)
ui_example.unlike(here, result, kinds)

record = folder.record
st.caption(
    plain(
        f"{record.samples:,} images of run {record.run}, {record.skipped} skipped, {record.steps} steps each, "
        f"{record.side} x {record.side} pixels, seed {record.seed}, {record.precision} on {record.device}, "
        f"{record.seconds:,.0f} s, {record.started:%d %B %Y}."
    )
)
with st.expander("Run again with other settings"):
    degradation_ui.start_form(here, busy=busy)
