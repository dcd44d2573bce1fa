"""Models: runs side by side, and two of them sample by sample: who is right, and what each finds hard."""

import streamlit as st

from avhcurate.features.compare import ui as compare_ui
from avhcurate.features.compare import ui_pair, ui_slices
from avhcurate.features.compare.samples import comparable_runs
from avhcurate.ui.base.notes import show_queue_note
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.page_header import open_page

page = open_page("Models", "Model runs on the same images: how good, how sure, and what each finds hard.")
if not page.count:
    nothing_matches()

show_queue_note(page.votes)
runs = comparable_runs(page.dataset)
part = compare_ui.part(runs)
if len(runs) < 2 and part not in ("confusion", "slices"):
    compare_ui.only_one_run(page)
if part == "slices":
    ui_slices.by_slices(page, compare_ui.chosen_runs(page, runs))
    st.stop()
if part == "all":
    names, keys = compare_ui.chosen_runs(page, runs), compare_ui.chosen_scores()
    compare_ui.all_runs(
        page, compare_ui.side_by_side(page.samples, page.votes, names, keys=keys, filters=page.filters), keys
    )
    st.stop()

if part == "confusion" and len(runs) < 2:
    ui_pair.confusions(page, (page.run.name,))
    st.stop()
if (compared := compare_ui.chosen_pair(page, runs)) is None:
    st.stop()
if part == "confusion":
    ui_pair.confusions(page, compared)
    st.stop()
keys = compare_ui.chosen_scores() if part == "pair" else ["avh"]
pair = compare_ui.compare_pair(page.samples, page.votes, *compared, keys=keys, filters=page.filters)
with page.result:
    ui_pair.headline(pair)
listing = ui_pair.LISTINGS[part](page, pair)
show_details(page, ui_pair.images(page, pair, listing))
