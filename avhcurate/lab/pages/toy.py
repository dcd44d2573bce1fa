"""Toy: overlapping Gaussians and a small network, where AVH and norm are compared with the known Bayes error."""

import streamlit as st

from avhcurate.lab.toy import ui as toy_ui
from avhcurate.ui.base import frame
from avhcurate.ui.base.text import PAPER
from avhcurate.ui.shell.page_header import spelt, title_line

page = frame.page()
story = f"What the paper ({PAPER}) claims, where the truth is known: Gaussians, and a small network trained live."
line, _ = title_line("Toy", f"{story}\n\n{toy_ui.ABOUT}")
line.caption(" · ".join(spelt(["AVH"])))
settings = toy_ui.settings()
summary = st.container()
toy_ui.choose_settings(settings)
result = toy_ui.trained(page.workspace.root, settings)
summary.markdown(toy_ui.summary(result))
toy_ui.explore(result)
