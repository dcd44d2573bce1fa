"""Forms of a collection: its design, order and number of votes; and the source of HSF."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.annotate import setup
from avhcurate.annotate.setup import CollectionSettings
from avhcurate.annotate.ui import RULE
from avhcurate.curate.annotations import user
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.score_help import score_name
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.text import counted
from avhcurate.ui.user_errors import plain
from avhcurate.votes.hsf_source import SOURCES, HsfSource

QUEUES = {
    "random": "In a random order",
    "hardest": "Hardest first, by a score",
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


_ORIGINS = {"k-way": "K-way votes", "tick": "Ticks", "simulated": "Simulated votes"}


def collection_form(page: Opened, before: CollectionSettings | None, *, key: str) -> None:
    """Every setting of a collection, with a button that writes it for all annotators; `key` begins the widgets' keys.

    Each dataset has its own, as a widget that is on the page keeps its value.
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
            _order(page, start, key, queue, new=before is None)
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
            _grid_settings(page, start, key)
        label = "Start the collection" if before is None else "Save for everybody"
        look = for_curators("Setting up a collection")
        st.form_submit_button(label, type="primary", on_click=_save_collection, args=(page, start, key), **look)


def _choose_queue(page: Opened, start: CollectionSettings, key: str) -> str:
    """Which order; outside the form, whose fields depend on it."""
    scored = page.table.run is not None
    queues = [name for name in QUEUES if scored or not name.startswith(("hardest", "disagree"))]
    if page.table.prediction is None:
        queues.remove("informative")
    chosen = st.selectbox(
        "Which images first",
        queues,
        index=queues.index(start.queue) if start.queue in queues else 0,
        format_func=QUEUES.__getitem__,
        key=f"{key}.queue",
        width=260,
        help="Where votes teach most asks for the images whose votes should tell the model of predicted HSF most; "
        "predict again after each batch, and save, so that it asks for the next.",
    )
    if chosen == "informative":
        st.caption(
            "It has not been shown to need fewer votes than a random order: on CIFAR-10H both reached the same with as "
            "many images."
        )
    return chosen


def _order(page: Opened, start: CollectionSettings, key: str, queue: str, *, new: bool) -> None:
    """What an order by hardness or disagreement goes by, and whether it draws."""
    if queue == "hardest":
        st.selectbox(
            "Hardest by",
            page.table.scores,
            index=page.table.scores.index(start.score) if start.score in page.table.scores else 0,
            format_func=score_name,
            key=f"{key}.score",
            width=170,
        )
    if queue in ("hardest", "disagreement"):
        st.toggle(
            "Draw",
            start.drawn or new,
            key=f"{key}.drawn",
            help="Images are drawn by chance, the first of the order up to 20 times likelier, and the chances kept: "
            "only so can correlations be weighted to those of the whole dataset.",
        )


def _grid_settings(page: Opened, start: CollectionSettings, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, label, low, high, help in (
            ("candidates", "Candidates", 1, 200, "Images of the class in a grid, which the votes are about."),
            ("positives", "Known members", 0, 20, "Controls: images known to show the class, which should be ticked."),
            ("negatives", "Known others", 0, 20, "Controls: images of the most similar other class, not to be ticked."),
        ):
            st.number_input(label, low, high, getattr(start, name), key=f"{key}.{name}", help=help, width=150)
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
    def entered(name: str, otherwise: Any) -> Any:
        return st.session_state.get(f"{key}.{name}", otherwise)

    names, definitions = page.table.classes, dict(start.definitions)
    for row, change in (entered("definitions", None) or {}).get("edited_rows", {}).items():
        definitions[names[int(row)]] = str(change.get("Definition") or "").strip()
    rule = str(entered("rule", start.rule)).strip()
    fields = ("design", "queue", "score", "drawn", "target", "control_share", "candidates", "positives", "negatives")
    settings = replace(
        start,
        **{name: entered(name, getattr(start, name)) for name in fields},
        classes=tuple(entered("classes", start.classes)),
        definitions=tuple((name, definitions[name]) for name in names if definitions.get(name)),
        rule="" if rule == RULE else rule,
    )
    attempt(setup.configure, page.table, settings, who=who() or user(), done="The collection is set up")


# --- the source of HSF --------------------------------------------------------------------------------------------


def source_line(page: Opened, source: HsfSource) -> None:
    """Which votes HSF uses, and the form that chooses others."""
    available = page.table.counter.sources()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":material/how_to_vote: {plain(source_text(source))}", width="stretch")
        with st.popover("Source of HSF", icon=":material/tune:", key="annotators.source"):
            _source_form(page, source, available)
    unused = [f"{number:,} {_ORIGINS[key].lower()}" for key, number in available.items() if key != source.key]
    if unused:
        st.caption(f"Kept apart and not counted: {' and '.join(unused)}.")


def source_text(source: HsfSource) -> str:
    """The source in one sentence.

    >>> source_text(HsfSource("tick", "auto", None, 0, 120, 2, 1))
    'HSF comes from 120 ticks that 2 annotators gave in the app; 1 annotator is left out.'
    """
    if source.key is None:
        return "There are no votes yet."
    if source.key == "simulated":
        return f"HSF comes from {counted(source.imported, 'simulated vote')}, not from people."
    what = "tick" if source.key == "tick" else "vote"
    parts = [counted(source.imported, f"imported {what}")] if source.imported else []
    if source.collected:
        parts.append(
            f"{counted(source.collected, what)} that {counted(source.annotators, 'annotator')} gave in the app"
        )
    out = f"; {counted(source.left_out, 'annotator')} {'is' if source.left_out == 1 else 'are'} left out"
    return f"HSF comes from {' and '.join(parts)}{out if source.left_out else ''}."


def _source_form(page: Opened, source: HsfSource, available: dict[str, int]) -> None:
    rows = [{"Votes": _ORIGINS.get(key, key), "Number": number} for key, number in available.items()]
    if rows:
        number = st.column_config.NumberColumn(format="localized")
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="annotators.available", column_config={"Number": number})
    options = ["auto", *(key for key in SOURCES if key in available)]
    key = f"annotators.source.{page.table.dataset.name}"
    with st.form(f"{key}.form", border=False):
        st.radio(
            "Source",
            options,
            index=options.index(source.chosen) if source.chosen in options else 0,
            format_func=lambda key: f"{_ORIGINS.get(key, 'Automatic')}: {SOURCES[key]}",
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
            help="Annotators below it are left out, now and as they come. Empty is off, which is ImageNetV2's way.",
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
        done="HSF uses these votes now",
    )
