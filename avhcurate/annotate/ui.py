"""Parts of the Annotate page: the grid to tick, the card to classify, the choices above, and the end."""

from collections.abc import Sequence

import streamlit as st

from avhcurate.annotate import answers, queue, setup
from avhcurate.annotate.queue import GridTask
from avhcurate.annotate.setup import CollectionSettings
from avhcurate.annotate.ui_name import leave
from avhcurate.annotate.ui_session import AnnotatorSession, session_of
from avhcurate.errors import CurateError
from avhcurate.ui import url_state
from avhcurate.ui.components.classify import Item, classify_card
from avhcurate.ui.components.ticks import TickTile, tick_grid
from avhcurate.ui.frame import Opened, mirrored
from avhcurate.ui.image_routes import health_url, image_url
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.signin import who
from avhcurate.ui.url_state import TILE_SIZES, View
from avhcurate.ui.user_errors import plain

#: Images handed out at once: shown now, and fetched beforehand.
_AHEAD = 8
#: What an annotator is told where the collection says nothing of its own (the rule of ImageNetV2's tasks).
RULE = (
    "An image counts when it holds at least one object of the class, whatever the clutter, however small or hidden. "
    "Drawings do not count."
)


#: A class that the annotator asked for; "" for those of the collection in turn.
CLASS: Choice[str] = Choice("annotate.class", "", str)


def heading(here: Opened, me: str, settings: CollectionSettings) -> None:
    """Title, who annotates, and what can be set while annotating, in one row."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Annotate", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            if settings.design == "select":
                _class_choice(here, settings)
                _size_choice(here.view)
            st.markdown(f":material/person: **{plain(me)}**", width="content")
            if not who():
                st.button("Change", type="tertiary", key="annotate.leave", on_click=leave, help="Annotate as another")


def _class_choice(here: Opened, settings: CollectionSettings) -> None:
    names = here.table.classes
    possible = [names[label] for label in settings.classes or range(len(names))]
    options = {"": "Classes in turn"} | {name: name for name in possible}
    CLASS.show(st.selectbox, "Class", here.view, options, label_visibility="collapsed", width=190)


def _size_choice(view: View) -> None:
    key = mirrored("annotate.tile", view.tile)
    st.segmented_control(
        "Tile size", list(TILE_SIZES), key=key, on_change=_set_size, label_visibility="collapsed", required=True
    )


def _set_size() -> None:
    url_state.change(tile=st.session_state["annotate.tile"])


# --- the work ------------------------------------------------------------------------------------------------


def work(here: Opened, me: str, settings: CollectionSettings) -> None:
    """The current task; after each answer only this part of the page is drawn again."""
    session = session_of(f"{here.table.dataset.name}|{here.version}|{settings.design}|{me}", me)
    (_tick if settings.design == "select" else _classify)(here, settings, session)


@st.fragment
def _classify(here: Opened, settings: CollectionSettings, session: AnnotatorSession) -> None:
    table = here.table
    session.hear(table, st.session_state.get("annotate.card"))
    questions = session.questions(table, ahead=_AHEAD)
    made = session.progress(table, now=not questions)
    if not questions and not made.answers:
        _nothing_left(here, session)
        return
    name = table.dataset.name
    classify_card(
        [Item(one.id, one.task, image_url(name, one.id, version=here.version, full=True)) for one in questions],
        table.classes,
        key="annotate.card",
        scope=session.scope,
        receipt=session.receipt,
        done=made.answers,
        goal=made.answers + made.left,
        finished=not questions,
        least_ms=answers.FASTEST_MS,
        health=health_url(),
        about=_definitions(table.classes, settings),
    )
    if not questions:
        _nothing_left(here, session)


@st.fragment
def _tick(here: Opened, settings: CollectionSettings, session: AnnotatorSession) -> None:
    table, wanted = here.table, CLASS.of(here.view)
    session.hear(table, st.session_state.get("annotate.grid"))
    label = table.classes.index(wanted) if wanted in table.classes else None
    grid = queue.next_grid(table, session.annotator, label=label)
    made = session.progress(table, now=grid is None)
    if grid is not None:
        _question(grid, settings, made.tasks, made.left)
    elif wanted:
        st.info(f"Every image of {plain(wanted)} has your answer.", icon=":material/task_alt:")
        st.button("Go on with the other classes", key="annotate.in_turn", on_click=CLASS.put, args=("",))
    else:
        _nothing_left(here, session)
    if grid is None and not session.submitted:
        return
    tick_grid(
        _tiles(here, grid) if grid else [],
        key="annotate.grid",
        scope=session.scope,
        task=grid.task if grid else "",
        name=grid.class_name if grid else "",
        ticked=grid.ticked if grid else (),
        receipt=session.receipt,
        size=TILE_SIZES[here.view.tile],
        can_go_back=session.submitted > 0,
        health=health_url(),
    )


def _tiles(here: Opened, grid: GridTask) -> list[TickTile]:
    name, version = here.table.dataset.name, here.version
    return [
        TickTile(id, image_url(name, id, version=version), image_url(name, id, version=version, full=True))
        for id in grid.ids
    ]


def _question(grid: GridTask, settings: CollectionSettings, grids: int, left: int) -> None:
    """The class in question with its definition, the rule, and how far the annotator is."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Tick every :green[{plain(grid.class_name)}]", anchor=False)
        st.caption(f"Grid {grids + 1:,} · {left:,} images left for you", width="content")
    if grid.definition:
        st.markdown(f"**{plain(grid.definition)}**")
    st.caption(plain(settings.rule or RULE))


def _definitions(classes: Sequence[str], settings: CollectionSettings) -> list[str]:
    definitions = dict(settings.definitions)
    return [definitions.get(name, "") for name in classes]


def _nothing_left(here: Opened, session: AnnotatorSession) -> None:
    """The end of the work for this annotator, and how far the collection is."""
    made = queue.progress(here.table, session.annotator)
    with st.container(border=True):
        st.subheader("Nothing is left for you", icon=":material/celebration:")
        st.write(
            f"You have given {made.answers:,} answers. Thank you." if made.answers else "There is nothing to answer."
        )
        rest = made.samples - made.done
        st.caption(
            f"{made.done:,} of {made.samples:,} images have all the votes that are wanted."
            + (f" The other {rest:,} are with other annotators, or wait for one." if rest else "")
        )


def ready(here: Opened) -> CollectionSettings | None:
    """The dataset's collection; None where it has none, or one that cannot be asked about any more, with the reason."""
    try:
        return setup.settings_of(here.table)
    except CurateError as error:
        st.warning(plain(str(error)))
        return None
