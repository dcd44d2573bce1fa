"""Pseudo-labels: class-balanced selection for self-training, how right it is, and what AVC changes in it."""

import streamlit as st

from avhcurate.features.pseudo_labels import ui as pseudo_labels_ui
from avhcurate.ui.base import frame
from avhcurate.ui.base.layout import halves, in_a_row
from avhcurate.ui.base.score_help import RULE_NAMES
from avhcurate.ui.grid.detail import show_details, view_holding
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Pseudo-labels",
    "Labels that the model gives, and which of them to trust. Given labels are for evaluation only.",
    votes=False,
    terms=["AVC"],
)
if not page.run.has_logits:
    frame.lacking(
        page,
        "logits",
        "Pseudo-labels are classes that a network predicts: attach its logits, probabilities or class weights too.",
    )
if not page.count:
    nothing_matches()

toolbar = in_a_row(gap="medium")
with toolbar:
    rule, portion = pseudo_labels_ui.choose_rule(page)
found = pseudo_labels_ui.selections(page, rule, portion)
result = found[rule]
with toolbar:
    pseudo_labels_ui.export_menu(page.samples, page.opened.run, page.dataset, result)
with page.result:
    pseudo_labels_ui.headline(result)

left, right = halves()
with left:
    st.markdown(f"**Selected of the candidates of each class** · {RULE_NAMES[rule]}")
    pseudo_labels_ui.class_table(result)
with right:
    st.markdown("**Accuracy against portion**")
    curve = st.container()
st.header("Where the gates differ")
shown = pseudo_labels_ui.where_gates_differ(page, found, portion)
show_details(page, view_holding(shown, page.view.sample))
# Last, so that the rest of the page does not wait for it.
with curve:
    pseudo_labels_ui.portion_chart(page, rule, portion)
