"""Annotators: how far the collection of votes is, how good its annotators are, and how far HSF can be trusted."""

import streamlit as st

from avhcurate.annotate import queue, setup, ui_annotators, ui_disputed, ui_hsf_source, ui_setup, ui_vote_quality
from avhcurate.annotate import ui as annotate_ui
from avhcurate.ui import frame
from avhcurate.ui.detail import show_details

st.title("Annotators")
here = frame.with_data()
settings = annotate_ui.ready(here)
if settings is None:
    with st.container(border=True):
        st.subheader("No votes are collected yet", icon=":material/how_to_vote:")
        st.write("Set up what annotators are asked, then send them to the Annotate page.")
        ui_setup.form(here, None, key="annotators.setup")
    st.stop()

st.caption("Votes that people give in the app, on the whole dataset: the filters on the left do not apply.")
made = queue.progress(here.table)
ui_annotators.facts(made, settings)
ui_hsf_source.source_line(here, setup.source(here.table))
with st.expander("What annotators are asked", icon=":material/tune:"):
    ui_setup.form(here, settings, key="annotators.settings")
if not made.annotators:
    st.info("Nobody has answered yet. The Annotate page asks; every answer shows here at once.", icon=":material/info:")
    st.stop()

found = ui_vote_quality.vote_quality(here.table, settings.design)
ui_annotators.charts(found, settings)
ui_annotators.people(here, found)
ui_vote_quality.rule(here, found)
ui_annotators.history(here)
ui_vote_quality.agreement(found)
ui_vote_quality.planning(here)
ids, opened = ui_disputed.disputed_labels(here, found)
ui_vote_quality.export_menu(here)
show_details(here, ids, opened)
