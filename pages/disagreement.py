"""Disagreement: HSF against a score, and the samples on which people and the network differ most."""

from avhcurate.features.disagreement import ui as disagreement_ui
from avhcurate.features.disagreement.service import SETS
from avhcurate.ui.base import frame
from avhcurate.ui.base.layout import halves
from avhcurate.ui.grid.detail import show_details, view_holding
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.page_header import open_page

page = open_page("Disagreement", "What is hard for people and easy for the network, and the reverse.", frame.with_votes)
if not page.count:
    nothing_matches()

settings = disagreement_ui.choose_settings(page)
gap = disagreement_ui.compare(page.samples, page.opened.run, page.opened.prediction, page.filters, settings)
clicked = disagreement_ui.chart(page, gap)

views = []
for column, name in zip(halves(), SETS, strict=True):
    with column:
        views.append(disagreement_ui.gallery(page, gap, name))

show_details(page, view_holding(views, page.view.sample), clicked)
