"""Forms of a collection: its design, order and number of votes; and the source of HSF."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.annotations import user
from avhcurate.features.annotate import setup
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.ui import RULE
from avhcurate.people.hsf_source import SOURCES, HsfSource
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.score_help import score_name
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.text import counted
from avhcurate.ui.user_errors import plain

QUEUES = {
    "random": "In a random order",
    "hardest": "Hard ones first, by a score",
    "disagreement": "Where the models disagree most",
    "fewest": "Fewest votes first",
    "informative": "Where votes teach most",
}
DESIGNS = {"classify": "Choose the class", "select": "Tick a grid"}
_ABOUT = {
    "classify": "One image at a time, choose one of the classes (the design of CIFAR-10H). HSF is the share of votes "
    "for the given label.",
    "select": "One class and a grid of images, tick those that hold it (the design of ImageNetV2). HSF is how often an "
    "image was ticked for its label.",
}
_ABOUT_QUEUES = {
    "hardest": "Hard images are drawn up to 20 times likelier than easy ones. The chances are kept, so that "
    "correlations can be weighted to those of the whole dataset.",
    "disagreement": "Such images are drawn up to 20 times likelier than others. The chances are kept, so that "
    "correlations can be weighted to those of the whole dataset.",
    "informative": "Predict again after each batch, and save, so that it asks for the next. It has not been shown to "
    "need fewer votes than a random order: on CIFAR-10H both reached the same with as many images.",
}
_ORIGINS = {"auto": "Automatic", "k-way": "K-way votes", "tick": "Ticks", "simulated": "Simulated votes"}


def collection_form(page: Opened, before: CollectionSettings | None, *, key: str) -> None:
    """Draw every setting of a collection, with a button that writes it for all annotators.

    `key` begins the widgets' keys; each dataset has its own, as a widget that is on the page keeps its value.
    """
    key = f"{key}.{page.table.dataset.name}"
    start = before or CollectionSettings(design="classify", target=5)
    start = replace(start, classes=tuple(label for label in start.classes if label != setup.NO_CLASS))
    design = st.segmented_control(
        "Design",
        list(DESIGNS),
        default=start.design,
        format_func=DESIGNS.__getitem__,
        required=True,
        key=f"{key}.design",
    )
    st.caption(_ABOUT[design])
    queue = _choose_queue(page, start, key)
    with st.form(f"{key}.form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if queue == "hardest":
                scores = list(page.table.scores)
                index = scores.index(start.score) if start.score in scores else 0
                st.selectbox("Hard by", scores, index, score_name, key=f"{key}.score", width=170)
            _number(start, key, "target", "Votes per image", "Images with so many are no longer asked about.", 1, 1000)
            if design == "classify":
                _number(
                    start, key, "control_share", "Attention checks", "Share of images with a clear answer.", 0.0, 0.5
                )
            else:
                _number(start, key, "candidates", "Images of a grid", "The images that votes are about.", 1, 200)
                help = "Images of the class, and as many of the most similar one, to see whether an annotator looks."
                _number(start, key, "controls", "Controls", help, 0, 20)
        if design == "select":
            _grid_settings(page, start, key)
        label = "Save for everybody"
        if before is None:
            label = "Start the collection"
        look = for_curators("Setting up a collection")
        st.form_submit_button(label, type="primary", on_click=_save_collection, args=(page, start, key), **look)


def _choose_queue(page: Opened, start: CollectionSettings, key: str) -> str:
    """Draw the choice of an order; outside the form, whose fields depend on it."""
    needs = {"hardest": page.table.run, "disagreement": page.table.run, "informative": page.table.prediction}
    queues = [name for name in QUEUES if name not in needs or needs[name] is not None]
    chosen = st.selectbox(
        "Which images first",
        queues,
        index=queues.index(start.queue) if start.queue in queues else 0,
        format_func=QUEUES.__getitem__,
        key=f"{key}.queue",
        width=260,
    )
    if chosen in _ABOUT_QUEUES:
        st.caption(_ABOUT_QUEUES[chosen])
    return chosen


def _number(start: CollectionSettings, key: str, name: str, label: str, help: str, low: Any, high: Any) -> None:
    step = 0.05 if isinstance(low, float) else 1
    st.number_input(label, low, high, getattr(start, name), step, key=f"{key}.{name}", help=help, width=150)


def _grid_settings(page: Opened, start: CollectionSettings, key: str) -> None:
    names = page.table.classes
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
        definitions = dict(start.definitions)
        st.data_editor(
            pd.DataFrame({"Class": names, "Definition": [definitions.get(name, "") for name in names]}),
            hide_index=True,
            disabled=["Class"],
            key=f"{key}.definitions",
            height=min(38 * (len(names) + 1), 300),
        )


def _save_collection(page: Opened, start: CollectionSettings, key: str) -> None:
    names, entered = page.table.classes, st.session_state
    fields = ("design", "queue", "score", "target", "control_share", "candidates", "controls", "classes", "rule")
    values = {name: entered.get(f"{key}.{name}", getattr(start, name)) for name in fields}
    values["classes"] = tuple(values["classes"])
    values["rule"] = values["rule"].strip()
    if values["rule"] == RULE:
        values["rule"] = ""
    definitions = dict(start.definitions)
    for row, change in entered.get(f"{key}.definitions", {}).get("edited_rows", {}).items():
        definitions[names[int(row)]] = str(change.get("Definition") or "").strip()
    values["definitions"] = tuple((name, definitions[name]) for name in names if definitions.get(name))
    settings = replace(start, **values)
    attempt(setup.configure, page.table, settings, who=who() or user(), done="The collection is set up")


# --- the source of HSF --------------------------------------------------------------------------------------------


def source_line(page: Opened, source: HsfSource) -> None:
    """Draw which votes HSF uses, and the form that chooses others."""
    available = page.table.counter.sources()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":material/how_to_vote: {plain(source_text(source))}", width="stretch")
        with st.popover("Source of HSF", icon=":material/tune:", key="annotators.source"):
            _source_form(page, source, available)
    unused = [f"{number:,} {_ORIGINS[key].lower()}" for key, number in available.items() if key != source.key]
    if unused:
        st.caption(f"Kept apart and not counted: {' and '.join(unused)}.")


def source_text(source: HsfSource) -> str:
    """Return the source in a sentence or two.

    >>> source_text(HsfSource(key="tick", collected=120, annotators=2, left_out=1))
    'HSF comes from 120 ticks that 2 annotators gave in the app. 1 annotator is left out.'
    """
    if source.key is None:
        return "There are no votes yet."
    if source.key == "simulated":
        return f"HSF comes from {counted(source.imported, 'simulated vote')}, not from people."
    what = {"tick": "tick", "k-way": "vote"}[source.key]
    parts = []
    if source.imported:
        parts.append(counted(source.imported, f"imported {what}"))
    if source.collected:
        people = counted(source.annotators, "annotator")
        parts.append(f"{counted(source.collected, what)} that {people} gave in the app")
    text = f"HSF comes from {' and '.join(parts)}."
    if source.left_out == 1:
        text += " 1 annotator is left out."
    elif source.left_out:
        text += f" {source.left_out} annotators are left out."
    return text


def _source_form(page: Opened, source: HsfSource, available: dict[str, int]) -> None:
    options = ["auto", *available]
    key = f"annotators.source.{page.table.dataset.name}"
    with st.form(f"{key}.form", border=False):
        st.radio(
            "Source",
            options,
            index=options.index(source.chosen) if source.chosen in options else 0,
            format_func=lambda key: f"{_ORIGINS[key]}: {SOURCES[key]}",
            key=f"{key}.chosen",
        )
        st.number_input(
            "Least control accuracy",
            0.0,
            1.0,
            source.control_filter,
            step=0.05,
            placeholder="off",
            key=f"{key}.control_filter",
            help="Annotators below it are left out, now and as they come. Empty is off, as in ImageNetV2.",
        )
        st.form_submit_button("Use", type="primary", on_click=_save_source, args=(page, key), **for_curators())
    st.caption("K-way votes and ticks are different measures, so they are never added up; nor are simulated ones.")


def _save_source(page: Opened, key: str) -> None:
    attempt(
        setup.choose_source,
        page.table,
        chosen=st.session_state[f"{key}.chosen"],
        control_filter=st.session_state[f"{key}.control_filter"],
        who=who() or user(),
        done="HSF now uses these votes",
    )
