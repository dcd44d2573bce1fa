"""Classes: which classes people and the network do not tell apart, and which hold two kinds of images."""

from avhcurate.features.classes import ui as classes_ui
from avhcurate.ui.base import frame
from avhcurate.ui.grid.detail import show_details, view_holding
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Classes",
    "Two classes whose weights lie at a small angle and whose votes cross may be one. One whose embeddings fall into "
    "two parts may be two. What you merge or split is an entry, which undo takes back.",
    frame.with_data,
    terms=["HSF"],
)
if not page.count:
    nothing_matches()
known = classes_ui.known(page.samples, page.opened.run, page.votes)
shown = classes_ui.propose(page, known)
show_details(page, view_holding(shown, page.view.sample))
classes_ui.show_table(page, known)
