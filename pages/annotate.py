"""Annotate: judge images without seeing a model or other people's votes; every answer is a vote."""

import streamlit as st

from avhcurate.features.annotate import setup, ui_setup
from avhcurate.features.annotate import ui as annotate_ui
from avhcurate.ui.base import frame
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.shell.page_header import title_line

page = frame.with_data()
settings = setup.settings_of(page.votes)
if settings is None:
    title_line("Annotate", "People look at images and say what they see. Their votes count at once.")
    with st.container(border=True):
        st.header("Set up the collection of votes", icon=":material/tune:")
        ui_setup.collection_form(page, None, key="annotate.setup")
    st.stop()

annotator = annotate_ui.annotator()
annotate_ui.title_row(annotator)
ui_setup.offer_votes(page)
annotate_ui.current_task(page, annotator, settings)
with in_a_row("top", horizontal_alignment="right"):
    annotate_ui.answers_menu(page, annotator)
