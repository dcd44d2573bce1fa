"""Models: runs side by side, and two of them sample by sample: who is right, and what each finds hard."""

import streamlit as st

from avhcurate.compare import ui as compare_ui
from avhcurate.compare import ui_pair
from avhcurate.compare.samples import comparable_runs
from avhcurate.compare.ui_all import all_runs
from avhcurate.compare.ui_images import images
from avhcurate.compare.ui_transfer import across
from avhcurate.ui import frame
from avhcurate.ui.detail import show_details
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.page_header import subtitle

st.title("Models")
here = frame.with_run()
subtitle(here, "Model runs on the same samples: how good, how sure, and what each finds hard.")
if not here.count:
    nothing_matches()

compare_ui.filters_note(here)
runs = comparable_runs(here.table)
if len(runs) < 2:
    compare_ui.only_one_run(here, runs)
part = compare_ui.part(here, runs)
if part == "transfer":
    across(here)
    st.stop()
if part == "all":
    names, keys = compare_ui.chosen_runs(here, runs), compare_ui.chosen_scores(here)
    all_runs(here, compare_ui.side_by_side(here.table, names, keys=keys, filters=here.filters), keys)
    st.stop()

if (chosen := compare_ui.chosen_pair(here, runs)) is None:
    st.stop()
keys = compare_ui.chosen_scores(here) if part == "pair" else ["avh"]
pair = compare_ui.compare_pair(here.table, *chosen, keys=keys, filters=here.filters)
ui_pair.headline(pair)
listing, clicked = ui_pair.listing(here, pair, part)
shown, opened = images(here, pair, listing) if listing is not None else ([], None)
show_details(here, shown, clicked, opened)
