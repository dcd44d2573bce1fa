"""Parts of the Annotate page: the grid to tick, the card to classify, the choices above, and the end."""

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.features.annotate import answers, queue, setup
from avhcurate.features.annotate.queue import GridTask
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.ui_session import AnnotatorSession, leave, session_of
from avhcurate.ui import url_state
from avhcurate.ui.components.classify import Item, classify_card
from avhcurate.ui.components.ticks import TickTile, tick_grid
from avhcurate.ui.frame import Opened, mirrored, while_allowed
from avhcurate.ui.image_routes import health_url, image_url
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.signin import who
from avhcurate.ui.url_state import TILE_SIZES, View
from avhcurate.ui.user_errors import plain

#: Images handed out at once: shown now, and fetched beforehand.
_AHEAD = 8
#: The rule that annotators read where the collection has none of its own (that of ImageNetV2's tasks).
RULE = (
    "An image counts when it holds at least one object of the class, whatever the clutter, however small or hidden. "
    "Drawings do not count."
)

#: The class that the annotator chose; "" for those of the collection in turn.
CLASS: Choice[str] = Choice("annotate.class", "", str)


def title_row(page: Opened, annotator: str, settings: CollectionSettings) -> None:
    """Draw the title, the annotator, and what can be set while annotating, in one row."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Annotate", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            if settings.design == "select":
                _class_choice(page, settings)
                _size_choice(page.view)
            st.markdown(f":material/person: **{plain(annotator)}**", width="content")
            if not who():
                st.button("Change", type="tertiary", key="annotate.leave", on_click=leave, help="Annotate as another")


def _class_choice(page: Opened, settings: CollectionSettings) -> None:
    names = page.table.classes
    possible = [names[label] for label in settings.classes or range(len(names)) if label != setup.NO_CLASS]
    options = {"": "Classes in turn"} | {name: name for name in possible}
    CLASS.show(st.selectbox, "Class", page.view, options, label_visibility="collapsed", width=190)


def _size_choice(view: View) -> None:
    key = mirrored("annotate.tile", view.tile)
    st.segmented_control(
        "Tile size", list(TILE_SIZES), key=key, on_change=_set_size, label_visibility="collapsed", required=True
    )


def _set_size() -> None:
    url_state.change(tile=st.session_state["annotate.tile"])


# --- the work ------------------------------------------------------------------------------------------------


def current_task(page: Opened, annotator: str, settings: CollectionSettings) -> None:
    """Draw the current task; after each answer only this part of the page is drawn again."""
    session = session_of(f"{page.table.dataset.name}|{page.version}|{settings.design}|{annotator}", annotator)
    if settings.design == "select":
        _tick(page, settings, session)
    else:
        _classify(page, settings, session)


@st.fragment
@while_allowed
def _classify(page: Opened, settings: CollectionSettings, session: AnnotatorSession) -> None:
    table = page.table
    session.hear(table, st.session_state.get("annotate.card"))
    questions = session.questions(table, ahead=_AHEAD)
    progress = session.progress(table, now=not questions)
    if not questions and not progress.answers:
        _nothing_left(page, session)
        return
    name, definitions = table.dataset.name, dict(settings.definitions)
    classify_card(
        [Item(one.id, one.task, image_url(name, one.id, version=page.version, size="full")) for one in questions],
        table.classes,
        key="annotate.card",
        scope=session.scope,
        receipt=session.receipt,
        done=progress.answers,
        goal=progress.answers + progress.left,
        finished=not questions,
        least_ms=answers.FASTEST_MS,
        health=health_url(),
        about=[definitions.get(name, "") for name in table.classes],
    )
    if not questions:
        _nothing_left(page, session)


@st.fragment
@while_allowed
def _tick(page: Opened, settings: CollectionSettings, session: AnnotatorSession) -> None:
    table, wanted = page.table, CLASS.of(page.view)
    session.hear(table, st.session_state.get("annotate.grid"))
    label = table.classes.index(wanted) if wanted in table.classes else None
    grid = queue.next_grid(table, session.annotator, label=label)
    progress = session.progress(table, now=grid is None)
    if grid is not None:
        _question(grid, settings, progress.tasks, progress.left)
    elif wanted:
        st.info(f"Every image of {plain(wanted)} has your answer.", icon=":material/task_alt:")
        st.button("Continue with the other classes", key="annotate.in_turn", on_click=CLASS.put, args=("",))
    else:
        _nothing_left(page, session)
    if grid is None and not session.submitted:
        return
    grid = grid or GridTask("", -1, "", "", (), ())  # an empty board, whose last grid can be taken back
    tick_grid(
        _tiles(page, grid),
        key="annotate.grid",
        scope=session.scope,
        task=grid.task,
        name=grid.class_name,
        ticked=grid.ticked,
        receipt=session.receipt,
        size=TILE_SIZES[page.view.tile],
        can_go_back=session.submitted > 0,
        health=health_url(),
    )


def _tiles(page: Opened, grid: GridTask) -> list[TickTile]:
    name, version = page.table.dataset.name, page.version
    return [
        TickTile(id, image_url(name, id, version=version), image_url(name, id, version=version, size="full"))
        for id in grid.ids
    ]


def _question(grid: GridTask, settings: CollectionSettings, grids: int, left: int) -> None:
    """Draw the class to tick with its definition, the rule, and the annotator's progress."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(f"Tick every :green[{plain(grid.class_name)}]", anchor=False)
        st.caption(f"Grid {grids + 1:,} · {left:,} images left for you", width="content")
    if grid.definition:
        st.markdown(f"**{plain(grid.definition)}**")
    st.caption(plain(settings.rule or RULE))


def _nothing_left(page: Opened, session: AnnotatorSession) -> None:
    """Draw the end of an annotator's tasks, and the progress of the collection."""
    progress = queue.progress(page.table, session.annotator)
    with st.container(border=True):
        st.header("You're done", icon=":material/celebration:")
        if progress.answers:
            st.write(f"You have given {progress.answers:,} answers. Thank you.")
        else:
            st.write("There is nothing to answer.")
        rest = progress.samples - progress.done
        st.caption(f"{progress.done:,} of {progress.samples:,} images have all the votes that are wanted.")
        if rest:
            st.caption(f"The other {rest:,} are with other annotators, or wait for one.")


def settings_or_warning(page: Opened) -> CollectionSettings | None:
    """Return the settings of the collection; None without one, or with a warning where they are no longer valid."""
    try:
        return setup.settings_of(page.table)
    except CurateError as error:
        st.warning(plain(str(error)))
        return None
