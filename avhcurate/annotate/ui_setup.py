"""The form that sets up a dataset's collection of votes: the design, which images come next, and how many votes."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.annotate import setup
from avhcurate.annotate.setup import QUEUES, CollectionSettings
from avhcurate.annotate.ui import RULE
from avhcurate.curate.annotations import user
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.score_help import score_name
from avhcurate.ui.signin import who

DESIGNS = {"classify": "Choose the class", "select": "Tick a grid"}
_ABOUT = {
    "classify": "One image at a time, choose one of the classes (the design of CIFAR-10H). HSF is the share of votes "
    "for the given label.",
    "select": "One class and a grid of images, tick those that hold it (the design of ImageNetV2). HSF is how often an "
    "image was ticked for its label.",
}


def form(here: Opened, before: CollectionSettings | None, *, key: str) -> None:
    """Every setting of a collection, with a button that writes it for all annotators."""
    start = before or CollectionSettings(design="classify", target=5)
    design = st.segmented_control(
        "Design",
        list(DESIGNS),
        default=start.design,
        format_func=DESIGNS.__getitem__,
        required=True,
        key=f"{key}.design",
    )
    st.caption(_ABOUT[design])
    with st.form(f"{key}.form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _order(here, start, key)
            st.number_input(
                "Votes an image",
                1,
                1000,
                start.target,
                key=f"{key}.target",
                width=130,
                help="An image that has so many is not asked about any more.",
            )
            if design == "classify":
                st.number_input(
                    "Attention checks",
                    0.0,
                    0.5,
                    start.control_share,
                    step=0.05,
                    key=f"{key}.control_share",
                    width=150,
                    help="Share of images with a clear answer, mixed in to see whether an annotator looks.",
                )
        if design == "select":
            _grid_settings(here, start, key)
        label = "Start the collection" if before is None else "Save for everybody"
        st.form_submit_button(label, type="primary", on_click=_save, args=(here, start, key))


def _order(here: Opened, start: CollectionSettings, key: str) -> None:
    scored = here.table.run is not None
    queues = [name for name in QUEUES if scored or not name.startswith(("hardest", "disagree"))]
    st.selectbox(
        "Which images first",
        queues,
        index=queues.index(start.queue) if start.queue in queues else 0,
        format_func=QUEUES.__getitem__,
        key=f"{key}.queue",
        width=260,
    )
    if scored:
        st.selectbox(
            "Hardest by",
            here.table.scores,
            index=here.table.scores.index(start.score) if start.score in here.table.scores else 0,
            format_func=score_name,
            key=f"{key}.score",
            width=170,
            help="The score that the order “hardest first” goes by.",
        )


def _grid_settings(here: Opened, start: CollectionSettings, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, label, low, high, help in (
            ("candidates", "Candidates", 1, 200, "Images of the class in a grid, which the votes are about."),
            ("positives", "Known members", 0, 20, "Controls: sure images of the class, which ought to be ticked."),
            ("negatives", "Known others", 0, 20, "Controls: images of the most similar other class, not to be ticked."),
        ):
            st.number_input(label, low, high, getattr(start, name), key=f"{key}.{name}", help=help, width=150)
    names = here.table.classes
    st.multiselect(
        "Classes",
        range(len(names)),
        list(start.classes),
        format_func=names.__getitem__,
        placeholder="All",
        key=f"{key}.classes",
    )
    st.text_area("Rule", start.rule or RULE, key=f"{key}.rule", height=80, help="What annotators read above the grid.")
    with st.expander("Definitions of the classes"):
        told = dict(start.definitions)
        st.data_editor(
            pd.DataFrame({"Class": names, "Definition": [told.get(name, "") for name in names]}),
            hide_index=True,
            disabled=["Class"],
            key=f"{key}.definitions",
            height=min(38 * (len(names) + 1), 300),
        )


def _save(here: Opened, start: CollectionSettings, key: str) -> None:
    def said(name: str, otherwise: Any) -> Any:
        return st.session_state.get(f"{key}.{name}", otherwise)

    names = here.table.classes
    told = dict(start.definitions)
    edited = said("definitions", None)
    for row, change in (edited or {}).get("edited_rows", {}).items():
        told[names[int(row)]] = str(change.get("Definition") or "").strip()
    rule = str(said("rule", start.rule)).strip()
    fields = ("design", "queue", "score", "target", "control_share", "candidates", "positives", "negatives")
    settings = replace(
        start,
        **{name: said(name, getattr(start, name)) for name in fields},
        classes=tuple(said("classes", start.classes)),
        definitions=tuple((name, told[name]) for name in names if told.get(name)),
        rule="" if rule == RULE else rule,
    )
    attempt(setup.configure, here.table, settings, who=who() or user(), done="The collection is set up")
