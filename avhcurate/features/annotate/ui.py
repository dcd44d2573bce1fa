"""Parts of the Annotate page: the grid to tick, the card to classify, and the end."""

from functools import partial

import streamlit as st

from avhcurate.features.annotate import answers, queue
from avhcurate.features.annotate.queue import CollectionProgress, GridTask
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.ui_session import NAME
from avhcurate.ui.base.frame import Opened, while_allowed
from avhcurate.ui.base.layout import apart, in_a_row
from avhcurate.ui.base.signin import who
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.components.classify import Item, classify_card
from avhcurate.ui.components.task import read_seen
from avhcurate.ui.components.ticks import TickTile, tick_grid
from avhcurate.ui.grid.grid_keys import about
from avhcurate.ui.server.image_routes import image_url

#: Images handed out at once: shown now, and fetched beforehand.
_AHEAD = 8
#: The rule that annotators read where the collection has none of its own (that of ImageNetV2's tasks).
RULE = (
    "An image counts when it holds at least one object of the class, also in clutter, small or half hidden. "
    "Drawings do not count."
)


def title_row(annotator: str) -> None:
    """Draw the title and the annotator in one row."""
    with apart():
        st.title("Annotate", anchor=False)
        with in_a_row("center", width="content", gap="small"):
            st.markdown(f":material/person: **{plain(annotator)}**", width="content")
            if not who():
                st.button("Change", type="tertiary", key="annotate.leave", on_click=NAME.put, args=("",))


def current_task(page: Opened, annotator: str, settings: CollectionSettings) -> None:
    """Draw the current task; after each answer only this part of the page is drawn again."""
    if settings.design == "select":
        _tick(page, settings, annotator)
    else:
        _classify(page, settings, annotator)


def _scope(page: Opened, settings: CollectionSettings, annotator: str) -> str:
    """Return a name for the work of one annotator: what the browser keeps is of one."""
    return f"{page.dataset.name}|{page.version}|{settings.design}|{annotator}"


@st.fragment
@while_allowed
def _classify(page: Opened, settings: CollectionSettings, annotator: str) -> None:
    table = page.table
    scope = _scope(page, settings, annotator)
    turn, broken = read_seen((st.session_state.get("annotate.card") or {}).get("seen"), scope)
    asked = queue.next_questions(table, annotator, ahead=_AHEAD + len(broken))
    questions = [one for one in asked if one.task not in broken]
    progress = queue.progress(table, annotator)
    if questions or progress.answers:
        definitions = dict(settings.definitions)
        url = partial(image_url, table.dataset.name, version=page.version)
        classify_card(
            [Item(one.id, one.task, url(one.id, size="full")) for one in questions],
            table.classes,
            key="annotate.card",
            scope=scope,
            echo=turn,
            who=annotator,
            done=progress.answered,
            goal=progress.answered + progress.left,
            apart=progress.apart,
            finished=not questions,
            skip=settings.skip,
            least_ms=answers.FASTEST_MS,
            about=[definitions.get(name, "") for name in table.classes],
            **about(page),
        )
    if not questions:
        _nothing_left(progress)


@st.fragment
@while_allowed
def _tick(page: Opened, settings: CollectionSettings, annotator: str) -> None:
    table = page.table
    scope = _scope(page, settings, annotator)
    turn, _ = read_seen((st.session_state.get("annotate.grid") or {}).get("seen"), scope)
    grid = queue.next_grid(table, annotator)
    progress = queue.progress(table, annotator)
    if grid is None:
        _nothing_left(progress)
    else:
        _question(grid, settings, progress)
    if grid is None and not progress.tasks:
        return
    grid = grid or GridTask("", "", (), ())  # an empty board, whose last grid can be taken back
    url = partial(image_url, table.dataset.name, version=page.version)
    tick_grid(
        [TickTile(id, url(id), url(id, size="full")) for id in grid.ids],
        key="annotate.grid",
        scope=scope,
        echo=turn,
        who=annotator,
        task=grid.task,
        name=grid.class_name,
        ticked=grid.ticked,
        size=page.view.tile,
        can_go_back=progress.tasks > 0,
        **about(page),
    )


def _question(grid: GridTask, settings: CollectionSettings, progress: CollectionProgress) -> None:
    """Draw the class to tick with its definition, the rule, and the annotator's progress."""
    with apart():
        st.header(f"Tick every :green[{plain(grid.class_name)}]", anchor=False)
        st.caption(f"Grid {progress.tasks + 1:,} · {progress.left:,} images left for you", width="content")
    if definition := dict(settings.definitions).get(grid.class_name):
        st.markdown(f"**{plain(definition)}**")
    st.caption(plain(settings.rule or RULE))


def _nothing_left(progress: CollectionProgress) -> None:
    """Draw the end of an annotator's tasks, and the progress of the collection."""
    with st.container(border=True):
        st.header("You're done", icon=":material/celebration:")
        given = f"{progress.answers - progress.checks:,} answers"
        checks = f"{progress.checks:,}"
        st.write(f"You have given {given}, and {checks} to images whose class is known. Thank you.")
        st.caption(
            f"{progress.done:,} of {progress.samples:,} images have all the votes that are wanted. The others are with "
            "other annotators, or wait for one."
        )
