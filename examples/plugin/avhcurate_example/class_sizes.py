"""The script of the page: how many images of each class are in view."""

import streamlit as st

from avhcurate.ui.shell.page_header import open_page

page = open_page("Class sizes", "How many images of each class are in view.")
st.dataframe(page.samples.group_counts("label_name", page.filters), hide_index=True)
