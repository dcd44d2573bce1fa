"""Models: runs side by side, and two of them sample by sample: who is right, and what each finds hard."""

import streamlit as st

from avhcurate.services.comparing_samples import comparable_runs
from avhcurate.ui import frame, models, models_pair
from avhcurate.ui.detail import show_details
from avhcurate.ui.gallery import nothing_matches
from avhcurate.ui.heading import subtitle
from avhcurate.ui.models_all import all_runs
from avhcurate.ui.models_images import images
from avhcurate.ui.models_transfer import across

st.title("Models")
here = frame.with_run()
subtitle(here, "Model runs on the same samples: how good, how sure, and what each finds hard.")
if not here.count:
    nothing_matches()

models.filters_note(here)
runs = comparable_runs(here.table)
if len(runs) < 2:
    models.only_one_run(here, runs)
part = models.part(here, runs)
if part == "transfer":
    across(here)
    st.stop()
if part == "all":
    names, keys = models.chosen_runs(here, runs), models.chosen_scores(here)
    all_runs(here, models.side_by_side(here.table, names, keys=keys, filters=here.filters), keys)
    st.stop()

if (chosen := models.chosen_pair(here, runs)) is None:
    st.stop()
keys = models.chosen_scores(here) if part == "pair" else ["avh"]
found = models.pair(here.table, *chosen, keys=keys, filters=here.filters)
models_pair.headline(found)
listing, clicked = models_pair.listing(here, found, part)
shown, opened = images(here, found, listing) if listing is not None else ([], None)
show_details(here, shown, clicked, opened)
