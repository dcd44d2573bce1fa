"""Saved: named sets and views, the history of decisions, what changed, and splits into parts."""

from avhcurate.features.saved.ui import choose_part, show_history, show_sets, show_split, show_views
from avhcurate.features.saved.ui_diff import show_changes
from avhcurate.ui.base import frame
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Saved",
    "Named sets of images, views to come back to, splits, the history of what people decided, and what changed.",
    frame.with_data,
    votes=False,
    terms=[],
)
parts = {
    "sets": show_sets,
    "views": show_views,
    "history": show_history,
    "changes": show_changes,
    "split": show_split,
}
parts[choose_part()](page)
