"""Annotate: judge images without seeing what a model or anybody else thinks of them; every answer is a vote."""

import streamlit as st

from avhcurate.annotate import ui as annotate_ui
from avhcurate.annotate import ui_name, ui_setup
from avhcurate.ui import frame

here = frame.with_data()
settings = annotate_ui.ready(here)
if settings is None:
    st.title("Annotate")
    st.caption("People look at images and say what they see. Their votes are human selection frequency, at once.")
    with st.container(border=True):
        st.subheader("Set up the collection of votes", icon=":material/tune:")
        ui_setup.form(here, None, key="annotate.setup")
    st.stop()

me = ui_name.annotator(here.view)
annotate_ui.heading(here, me, settings)
annotate_ui.work(here, me, settings)
with st.container(horizontal=True, horizontal_alignment="right"):
    ui_name.own_answers(here, me)
