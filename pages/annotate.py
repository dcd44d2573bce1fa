"""Annotate: judge images without seeing what a model or anybody else thinks of them; every answer is a vote."""

import streamlit as st

from avhcurate.ui import annotate, collection, frame, identity

here = frame.with_data()
settings = annotate.ready(here)
if settings is None:
    st.title("Annotate")
    st.caption("People look at images and say what they see. Their votes are human selection frequency, at once.")
    with st.container(border=True):
        st.subheader("Set up the collection of votes", icon=":material/tune:")
        collection.form(here, None, key="annotate.setup")
    st.stop()

me = identity.annotator(here.view)
annotate.heading(here, me, settings)
annotate.work(here, me, settings)
with st.container(horizontal=True, horizontal_alignment="right"):
    identity.own_answers(here, me)
