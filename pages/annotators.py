"""Annotators: progress of the collection of votes, quality of its annotators, and reliability of HSF."""

import streamlit as st

from avhcurate.features.annotate import (
    annotators,
    queue,
    setup,
    ui_annotators,
    ui_consensus,
    ui_exclusion,
    ui_second,
    ui_setup,
)
from avhcurate.ui.base import frame
from avhcurate.ui.base.notes import show_queue_note
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Annotators",
    "How far the collection of votes is, and how far each annotator and the votes together can be trusted. Counted are "
    "votes that people give in the app, on the whole dataset.",
    frame.with_data,
    terms=["HSF"],
)
settings = setup.settings_of(page.votes)
answered = annotators.answered_design(page.votes)
if settings is None and answered is None:
    with st.container(border=True):
        st.header("No votes are collected yet", icon=":material/how_to_vote:")
        st.write("Set up what annotators are asked, then send them to the Annotate page.")
        ui_setup.collection_form(page, None, key="annotators.setup")
    ui_consensus.show_consensus(page)
    st.stop()

target = 1
if settings is not None:
    target = settings.target
    progress = queue.progress(page.decisions, page.votes, page.opened.run)
    ui_annotators.progress_facts(progress, settings)
ui_setup.source_line(page, setup.source(page.votes))
with st.expander("What annotators are asked", icon=":material/tune:"):
    ui_setup.collection_form(page, settings, key="annotators.settings")
if settings is not None:
    ui_second.decided_by(page, settings)
    if not progress.annotators:
        ui_consensus.show_consensus(page)
        st.info("No answers yet. The Annotate page asks; every answer shows here at once.", icon=":material/info:")
        st.stop()

quality = ui_annotators.quality_of(page.votes, annotators.design_of(page.votes))
ui_annotators.progress_charts(quality, target)
ui_consensus.show_consensus(page)
ui_annotators.annotators_table(page, quality)
ui_exclusion.exclusion_rule(page, quality)
ui_annotators.status_history(page)
ui_annotators.agreement_facts(quality)
ui_annotators.annotator_pairs(page, quality)
show_queue_note(page.votes)
ui_annotators.votes_needed(page)
listed = ui_annotators.disputed_labels(page, quality)
ui_annotators.export_menu(page)
show_details(page, listed)
