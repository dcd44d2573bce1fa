"""Saved: named sets and views, who decided what and when, and splits into train, validation and test."""

import streamlit as st

from avhcurate.ui import frame
from avhcurate.ui.history import show_history
from avhcurate.ui.saved import choose_part, show_sets, show_views
from avhcurate.ui.splitting import show_split

here = frame.with_data()

st.title("Saved")
parts = {"sets": show_sets, "views": show_views, "history": show_history, "split": show_split}
parts[choose_part(here.view)](here)
