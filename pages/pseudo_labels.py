"""Pseudo-labels: class-balanced selection for self-training, how right it is, and what AVC changes in it."""

import streamlit as st

from avhcurate.pseudo_labels import ui as pseudo_labels_ui
from avhcurate.ui import frame
from avhcurate.ui.detail import show_details, view_holding
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.layout import halves
from avhcurate.ui.page_header import subtitle
from avhcurate.ui.score_help import RULE_NAMES

st.title("Pseudo-labels")
page = frame.with_run()
subtitle(page, "Class-balanced labels for self-training. Given labels are for evaluation only: none is used to select.")
if not page.count:
    nothing_matches()

toolbar = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
with toolbar:
    rule, portion = pseudo_labels_ui.choose_rule(page.view)
result = pseudo_labels_ui.select(page.table, rule=rule, portion=portion, filters=page.filters)
with toolbar:
    pseudo_labels_ui.export_menu(page.table, result)
pseudo_labels_ui.headline(page.table, result)

left, right = halves()
with left:
    st.markdown(f"**Selected of the candidates of each class** · {RULE_NAMES[rule]}")
    pseudo_labels_ui.class_chart(result)
with right:
    st.markdown("**Accuracy against portion**")
    curve = st.container()
with st.expander("Thresholds and counts per class"):
    pseudo_labels_ui.class_table(result)

by_avc, by_softmax, ids = pseudo_labels_ui.avc_and_softmax(page, portion)
st.subheader("Where the gates differ")
st.caption(f"Both rules at portion {portion:g}: {len(ids['both']):,} samples are selected by both.")
left, right = halves()
with left:
    title = "Selected by AVC and not by softmax"
    one = pseudo_labels_ui.selected_by_one(page, title, by_avc, ids["first"], score="confidence", name="avc")
with right:
    title = "Selected by softmax and not by AVC"
    other = pseudo_labels_ui.selected_by_one(page, title, by_softmax, ids["second"], score="avc", name="softmax")

show_details(page, view_holding([one, other], page.view.sample))
# Last, so that the rest of the page does not wait for it.
with curve:
    pseudo_labels_ui.portion_chart(page, rule, portion)
