"""Degradation: contrast, noise, blur and JPEG in steps, and whether each score rises or falls with them."""

import streamlit as st

from avhcurate.ui import degradation, degradation_example, frame
from avhcurate.ui.gallery import nothing_matches
from avhcurate.ui.heading import subtitle
from avhcurate.ui.jobs import job_panel
from avhcurate.ui.mistakes import plain

st.title("Degradation")
here = frame.with_run()
subtitle(here, "Images made worse step by step: a score of hardness should follow every step.", votes=False)
job = job_panel(here.workspace)
busy = job is not None and job.active
folder = degradation.chosen(here)
if folder is None:
    degradation.empty(here, busy=busy)
    st.stop()

result = degradation.result_of(here.table, folder, here.filters)
if not result.degraded.images:
    nothing_matches()

kinds, measures, by_bin = degradation.choose_curves(here, result)
st.markdown(degradation.reading(result.summary, kinds))
degradation.curves(result, kinds, measures, by_bin=by_bin, simulated=here.table.simulated)
st.subheader("Image by image")
degradation.boxes(result, kinds)
degradation.table(result, kinds, name=here.table.dataset.name)
degradation_example.example(here, result, kinds)
degradation_example.unlike(here, result, kinds)

record = folder.record
st.caption(
    plain(
        f"{record.samples:,} images of run {record.run}, {record.skipped} skipped, {record.steps} steps each, "
        f"{record.side} x {record.side} pixels, seed {record.seed}, {record.precision} on {record.device}, "
        f"{record.seconds:,.0f} s, {record.started:%d %B %Y}."
    )
)
with st.expander("Run again with other settings"):
    degradation.start_form(here, busy=busy)
