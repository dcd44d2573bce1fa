"""Toy: overlapping Gaussians and a small network, where AVH and norm are compared with the known Bayes error."""

import streamlit as st

from avhcurate.features.toy import ui as toy_ui
from avhcurate.ui import frame
from avhcurate.ui.text import PAPER

st.title("Toy")
page = frame.page()
st.caption(f"What the paper ({PAPER}) claims, where the truth is known: Gaussians, and a small network trained live.")
asked = toy_ui.settings()
toy_ui.choose_settings(asked)
result = toy_ui.trained(page.workspace.root, asked)
toy_ui.explore(result)
