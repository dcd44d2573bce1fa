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
here = frame.with_votes()
subtitle(here, "What is hard for people and easy for the network, and the reverse.")
if not here.count:
    nothing_matches()

settings = disagreement_ui.settings_of(here)
disagreement_ui.choose_cuts(here, settings)
gap, drawn = disagreement_ui.compare(here.table, here.filters, settings)
opened = [disagreement_ui.chart(settings, gap, drawn)]

shown = []
for column, name in zip(halves(), SETS, strict=True):
    with column:
        ids, chosen = disagreement_ui.gallery(here, settings, gap, name)
        shown.append(ids)
        opened.append(chosen)

show_details(here, list_holding(shown, here.view.sample), *opened)
