"""Disagreement: HSF against a score, and the samples on which people and the network differ most."""

import streamlit as st

from avhcurate.disagreement import ui as disagreement_ui
from avhcurate.disagreement.service import SETS
from avhcurate.ui import frame
from avhcurate.ui.detail import list_holding, show_details
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.layout import halves
from avhcurate.ui.page_header import subtitle

st.title("Disagreement")
page = frame.with_votes()
subtitle(page, "What is hard for people and easy for the network, and the reverse.")
if not page.count:
    nothing_matches()

settings = disagreement_ui.settings_of(page)
disagreement_ui.choose_cuts(page, settings)
gap, drawn = disagreement_ui.compare(page.table, page.filters, settings)
opened = [disagreement_ui.chart(settings, gap, drawn)]

shown = []
for column, name in zip(halves(), SETS, strict=True):
    with column:
        ids, chosen = disagreement_ui.gallery(page, settings, gap, name)
        shown.append(ids)
        opened.append(chosen)

show_details(page, list_holding(shown, page.view.sample), *opened)
