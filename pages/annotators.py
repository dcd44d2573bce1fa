"""Annotators: how far the collection of votes is, how good its annotators are, and how far HSF can be trusted."""

import streamlit as st

from avhcurate.services import annotate_setup, handing_out
from avhcurate.ui import annotate, annotators, collection, frame, opinions, quality, sources
from avhcurate.ui.detail import show_details

st.title("Annotators")
here = frame.with_data()
settings = annotate.ready(here)
if settings is None:
    with st.container(border=True):
        st.subheader("No votes are collected yet", icon=":material/how_to_vote:")
        st.write("Set up what annotators are asked, then send them to the Annotate page.")
        collection.form(here, None, key="annotators.setup")
    st.stop()

st.caption("Votes that people give in the app, on the whole dataset: the filters on the left do not apply.")
made = handing_out.progress(here.table)
annotators.facts(made, settings)
sources.source_line(here, annotate_setup.source(here.table))
with st.expander("What annotators are asked", icon=":material/tune:"):
    collection.form(here, settings, key="annotators.settings")
if not made.annotators:
    st.info("Nobody has answered yet. The Annotate page asks; every answer shows here at once.", icon=":material/info:")
    st.stop()

found = quality.vote_quality(here.table, settings.design)
annotators.charts(found, settings)
annotators.people(here, found)
quality.rule(here, found)
annotators.history(here)
quality.agreement(found)
quality.planning(here)
ids, opened = opinions.disputed_labels(here, found)
quality.export_menu(here)
show_details(here, ids, opened)
