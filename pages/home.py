"""Home: what the app is for, three ways on, one's own images, and below the dataset in figures and details."""

import streamlit as st

from avhcurate.datasets.sources.demo import is_demo
from avhcurate.features.annotate import ui_setup
from avhcurate.features.home import ui as home_ui
from avhcurate.features.home import ui_guide, ui_photos, ui_runs
from avhcurate.ui.base import frame
from avhcurate.ui.base.layout import halves
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.shell.page_header import spelt, title_line

page = frame.page()
if page.opened is None:
    title_line("Welcome", ui_guide.HELP)
    st.markdown(home_ui.PURPOSE)
    left, right = halves()
    with left:
        ui_guide.review(page)
        home_ui.welcome()
        ui_photos.offer_photos(page.workspace)
    with right:
        ui_guide.guide(page)
    st.stop()

page = frame.with_data()
opened = page.opened
line, _ = title_line(plain(opened.samples.name), ui_guide.HELP)
line.caption(" · ".join([home_ui.in_short(page), *spelt(["AVH", "HSF"])]))
ui_setup.offer_votes(page)
left, right = halves()
with left:
    st.markdown(home_ui.PURPOSE)
    home_ui.picture(page)
    home_ui.ways(page)
    home_ui.without_labels(opened.samples)
    home_ui.offer_demo(page)
    if is_demo(opened.dataset):
        ui_photos.offer_photos(page.workspace)
with right:
    ui_guide.review(page)
    ui_guide.guide(page)

home_ui.broken_plugins()
home_ui.spread(page)
home_ui.leaks(page)
home_ui.own_columns(page)
home_ui.messages(opened.samples, opened.dataset)
with st.expander("Details", icon=":material/info:", key="home.details"):
    home_ui.dataset_facts(opened.samples, opened.dataset)
    ui_runs.model_runs(opened.run, opened.dataset)
