"""Self-training: rounds of pseudo-labels, rules side by side, what AVC chose and softmax did not, and the export."""

import streamlit as st

from avhcurate.services.rule_comparison import lines
from avhcurate.ui import frame, self_training, self_training_round, self_training_start, starting
from avhcurate.ui.detail import show_details
from avhcurate.ui.jobs import job_panel

st.title("Self-training")
here = frame.with_data()
st.caption(self_training_start.STORY)
job = job_panel(here.workspace)
busy = job is not None and job.active
found = self_training.found_for(here)
if not found:
    self_training_start.first(here, busy=busy)
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    group = self_training.group_of(here, found)
    starting.another_button("selftrain", "Start another")
starting.another("selftrain", lambda: self_training_start.form(here, busy=busy))
self_training.about(group)
if busy:
    self_training_start.await_rounds(here)
shown = lines(group)
if not shown:
    self_training.no_round_yet(busy=busy)
    st.stop()
self_training.rounds_chart(here, shown)
self_training.rules_table(shown)

st.subheader("One round")
if (chosen := self_training_round.choose(here, shown)) is None:
    st.stop()
self_training_round.classes(chosen)
ids, opened = self_training_round.gallery(here, chosen, shown)
show_details(here, ids, opened)
