"""Forms of a collection: its design, order and number of votes; and the source of HSF."""

from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.features.annotate import setup
from avhcurate.features.annotate.next_labels import next_labels
from avhcurate.features.annotate.plots import coverage_curve
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.ui import RULE
from avhcurate.people.hsf_source import SOURCES, HsfSource
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened, attempt, show_user_error
from avhcurate.ui.base.job_forms import widget_of
from avhcurate.ui.base.layout import apart, in_a_row
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.show import show_chart
from avhcurate.workspace.data.people import user

QUEUES = {
    "random": "In a random order",
    "hardest": "Hard ones first, by a score",
    "disagreement": "Where the models disagree most",
    "fewest": "Fewest votes first",
    "informative": "Where votes teach most",
    "diverse": "Varied and uncertain ones",
    "asked": "Only those that somebody asks people about",
    "decided": "Decided by one: a second person looks",
}
DESIGNS = {"classify": "Choose the class", "select": "Tick a grid"}
#: The settings that the form asks for in a row.
_FIELDS = {"classify": ("target", "control_share", "skip"), "select": ("target", "candidates", "controls")}
_ABOUT = {
    "classify": "One image at a time, choose one of the classes (the design of CIFAR-10H). HSF is the share of votes "
    "for the given label.",
    "select": "One class and a grid of images, tick those that hold it (the design of ImageNetV2). HSF is how often an "
    "image was ticked for its label.",
}
_DRAWN = (
    "Such images are drawn up to 20 times likelier than others. The chances are kept, so that correlations can be "
    "weighted to those of the whole dataset."
)
_ABOUT_QUEUES = {
    "hardest": _DRAWN,
    "disagreement": _DRAWN,
    "informative": "Predict again after each batch, and save, so that it asks for the next. It has not been shown to "
    "need fewer votes than a random order: on CIFAR-10H both reached the same with as many images.",
    "decided": "Labels that one person has changed, kept or excluded as wrong. Another person, never the one who "
    "decided, sees the image blind and chooses a class, and so agrees or not. Without a sign-in a person is a name.",
    "diverse": "For labels to train on: images that stand for most others, the less certain first. Save again after a "
    "batch, so that it asks for the next. No chances are kept, so correlations cannot be weighted; for predicted HSF "
    "it has not been shown to need fewer votes.",
}
_ORIGINS = {
    "wanted": "Automatic, imported first",
    "auto": "Automatic, people first",
    "k-way": "K-way votes",
    "tick": "Ticks",
    "simulated": "Simulated votes",
}


def collection_form(page: Opened, before: CollectionSettings | None, *, key: str) -> None:
    """Draw every setting of a collection, with a button that writes it for all annotators.

    `key` begins the widgets' keys; each dataset has its own, as a widget that is on the page keeps its value.
    """
    key = f"{key}.{page.dataset.name}"
    opened = page.opened
    start = before or CollectionSettings(design="classify", target=5, skip=True)
    design = st.segmented_control(
        "Design",
        list(DESIGNS),
        default=start.design,
        format_func=DESIGNS.__getitem__,
        required=True,
        key=f"{key}.design",
    )
    st.caption(_ABOUT[design])
    # Outside the form, whose fields depend on it.
    needs: dict[str, Any] = {
        "hardest": opened.run,
        "disagreement": opened.run,
        "informative": opened.prediction,
        "diverse": opened.neighbours,
        "decided": design == "classify",
    }
    possible = {name: title for name, title in QUEUES.items() if needs.get(name, 1)}
    queue = _choose("Which images first", possible, start.queue, key, "queue")
    if queue in _ABOUT_QUEUES:
        st.caption(_ABOUT_QUEUES[queue])
    if queue == "diverse":
        _coverage(page)
    with st.form(f"{key}.form", border=False):
        with in_a_row():
            if queue == "hardest":
                _choose(
                    "Hard by", {name: score_name(name) for name in opened.samples.scores}, start.score, key, "score"
                )
            for option in CollectionSettings.options():
                if option.name in _FIELDS[design]:
                    draw, arguments = widget_of(option)
                    arguments |= {"value": getattr(start, option.name), "help": option.help}
                    draw(option.title, key=f"{key}.{option.name}", **arguments)
        if design == "select":
            _grid_settings(page, start, key)
        st.form_submit_button(
            "Save for everybody" if before else "Start the collection",
            type="primary",
            on_click=attempt,
            args=(_save_collection, page, start, key),
            kwargs={"done": "The collection is set up"},
            **for_curators("Setting up a collection"),
        )


def _coverage(page: Opened) -> None:
    """Draw what the first images of the queue, at most a quarter of all, cover, and what random ones do."""
    try:
        batch = _next_labels(page.samples, page.opened.run, page.dataset, min(setup.BATCH, -(-page.samples.size // 4)))
    except CurateError as error:
        show_user_error(error)
        return
    show_chart(coverage_curve(batch.covered, batch.at_random), key="annotators.coverage")
    st.caption(batch.summary)


_next_labels = kept("Choosing images …")(next_labels)


def _choose(label: str, names: dict[str, str], value: str, key: str, name: str) -> str:
    options = list(names)
    index = options.index(value) if value in options else 0
    return st.selectbox(label, options, index, names.__getitem__, key=f"{key}.{name}", width=260)


def _grid_settings(page: Opened, start: CollectionSettings, key: str) -> None:
    names = page.samples.classes
    definitions = dict(start.definitions)
    classes = [label for label in start.classes if label != setup.NO_CLASS]
    st.multiselect("Classes", range(len(names)), classes, names.__getitem__, key=f"{key}.classes", placeholder="All")
    st.text_area("Rule", start.rule, key=f"{key}.rule", placeholder=RULE, help="What annotators read above the grid.")
    with st.expander("Definitions of the classes"):
        st.data_editor(
            pd.DataFrame({"Class": names, "Definition": [definitions.get(name, "") for name in names]}),
            hide_index=True,
            disabled=["Class"],
            key=f"{key}.definitions",
            height=300,
        )


def _save_collection(page: Opened, start: CollectionSettings, key: str) -> None:
    entered = {name: st.session_state.get(f"{key}.{name}", value) for name, value in start}
    definitions = dict(start.definitions)
    for row, change in st.session_state.get(f"{key}.definitions", {}).get("edited_rows", {}).items():
        definitions[page.samples.classes[int(row)]] = str(change.get("Definition") or "").strip()
    entered["definitions"] = [item for item in definitions.items() if item[1]]
    setup.configure(page.votes, page.opened.run, page.opened.prediction, CollectionSettings(**entered), who=user())


# --- the source of HSF --------------------------------------------------------------------------------------------


def source_line(page: Opened, source: HsfSource) -> None:
    """Draw which votes HSF uses, and the form that chooses others."""
    available = page.votes.sources()
    text = source_text(source)
    if unused := [f"{number:,} {_ORIGINS[key].lower()}" for key, number in available.items() if key != source.key]:
        text += f" Kept apart and not counted: {' and '.join(unused)}."
    with apart():
        st.markdown(f":material/how_to_vote: {plain(text)}", width="stretch")
        with st.popover("Source of HSF", icon=":material/tune:", key="annotators.source"):
            _source_form(page, source, ["wanted", "auto", *available])


def offer_votes(page: Opened) -> None:
    """Draw a line for each kind of votes that HSF does not use, with a button that has it use them."""
    source = page.votes.source
    for key, number in page.votes.sources().items():
        if key != source.key:
            votes = counted(number, {"k-way": "answer", "tick": "tick"}.get(key, "simulated vote"))
            if key != "simulated":
                votes += " of people"
            with in_a_row("center", key=f"votes.{key}"):
                st.markdown(f":material/how_to_vote: {source_text(source)} Not counted: {votes}.", width="content")
                st.button(
                    "Use them",
                    key=f"votes.use.{key}",
                    type="tertiary",
                    on_click=attempt,
                    args=(setup.choose_source, page.votes),
                    kwargs={"key": key, "control_filter": source.control_filter, "who": user()},
                    **for_curators(),
                )


def source_text(source: HsfSource) -> str:
    """Return the source in a sentence.

    >>> source_text(HsfSource(key="tick", collected=120, annotators=1, left_out=1))
    'HSF uses ticks: 0 imported, 120 given in the app by 1 annotator (1 left out).'
    """
    if source.key is None:
        return "There are no votes yet."
    if source.key == "simulated":
        return f"HSF uses {source.imported:,} simulated votes, not people's."
    people = f"{counted(source.annotators, 'annotator')} ({source.left_out} left out)"
    collected = f"{source.collected:,} given in the app by {people}"
    return f"HSF uses {_ORIGINS[source.key].lower()}: {source.imported:,} imported, {collected}."


def _source_form(page: Opened, source: HsfSource, options: list[str]) -> None:
    key = f"annotators.source.{page.dataset.name}"
    with st.form(f"{key}.form", border=False):
        st.radio(
            "Source",
            options,
            index=options.index(source.choice) if source.choice in options else 0,
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
        page.votes,
        key=st.session_state[f"{key}.chosen"],
        control_filter=st.session_state[f"{key}.control_filter"],
        who=user(),
        done="HSF now uses these votes",
    )
