"""Disagreement: HSF against a score, and the samples on which people and the network differ most."""

import streamlit as st

from avhcurate.services.disagreeing import SETS
from avhcurate.ui import disagreement, frame
from avhcurate.ui.detail import list_holding, show_details
from avhcurate.ui.gallery import nothing_matches
from avhcurate.ui.heading import subtitle
from avhcurate.ui.layout import halves

st.title("Disagreement")
here = frame.with_votes()
subtitle(here, "What is hard for people and easy for the network, and the reverse.")
if not here.count:
    nothing_matches()

settings = disagreement.settings_of(here)
disagreement.choose_cuts(here, settings)
gap, drawn = disagreement.compare(here.table, here.filters, settings)
opened = [disagreement.chart(settings, gap, drawn)]

shown = []
for column, name in zip(halves(), SETS, strict=True):
    with column:
        ids, chosen = disagreement.gallery(here, settings, gap, name)
        shown.append(ids)
        opened.append(chosen)

show_details(here, list_holding(shown, here.view.sample), *opened)
