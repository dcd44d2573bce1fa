"""The Annotate page: who annotates, the grid to tick, the card to classify, the end, and what annotators decide."""

from functools import partial
from typing import Any

import streamlit as st

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.annotate import annotators, answers, queue
from avhcurate.features.annotate.queue import CollectionProgress, GridTask
from avhcurate.features.annotate.setup import LONGEST_NAME, CollectionSettings, annotator_name
from avhcurate.ui.base.frame import Opened, attempt, while_allowed
from avhcurate.ui.base.layout import apart, in_a_row
from avhcurate.ui.base.page_choices import Choice
from avhcurate.ui.base.signin import say_why_not, who, why_not
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.components.classify import Item, classify_card
from avhcurate.ui.components.task import read_seen
from avhcurate.ui.components.ticks import TickTile, tick_grid
from avhcurate.ui.grid.grid_bar import decision_context
from avhcurate.ui.server.decisions import Decision, Reply, Takers
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.people import Role
from avhcurate.workspace.data.runs import RunFolder

#: Images handed out at once: shown now, and fetched beforehand.
_AHEAD = 8
#: The rule that annotators read where the collection has none of its own (that of ImageNetV2's tasks).
RULE = (
    "An image counts when it holds at least one object of the class, also in clutter, small or half hidden. "
    "Drawings do not count."
)
#: The annotator's name, kept in the address so that a reload does not ask for it.
NAME: Choice[str] = Choice("annotate.name", "", str)


# --- the annotator ------------------------------------------------------------------------------------------------


def annotator() -> str:
    """Return the signed-in user, else the name in the address; without one, ask for it and end the page.

    It ends for viewers too, who do not answer.
    """
    if not why_not(Role.ANNOTATOR) and (name := who() or NAME.asked()):
        return name
    st.title("Annotate", anchor=False)
    if why_not(Role.ANNOTATOR):
        say_why_not(Role.ANNOTATOR, "Answering")
        st.stop()
    with st.container(border=True, width=560):
        st.header("Who are you?", icon=":material/badge:")
        st.write("Your answers are kept under a name, so that you can continue later and take them back.")
        with st.form("annotate.who", border=False):
            st.text_input("Name", key="annotate.typed", max_chars=LONGEST_NAME, placeholder="ada", autocomplete="name")
            st.form_submit_button("Start", type="primary", on_click=attempt, args=(_begin,))
    return st.stop()


def _begin() -> None:
    NAME.put(annotator_name(st.session_state["annotate.typed"]))


def title_row(annotator: str) -> None:
    """Draw the title and the annotator in one row."""
    with apart():
        st.title("Annotate", anchor=False)
        with in_a_row("center", width="content", gap="small"):
            st.markdown(f":material/person: **{plain(annotator)}**", width="content")
            if not who():
                st.button("Change", type="tertiary", key="annotate.leave", on_click=NAME.put, args=("",))


# --- the task ----------------------------------------------------------------------------------------------------


@st.fragment
@while_allowed
def current_task(page: Opened, annotator: str, settings: CollectionSettings) -> None:
    """Draw the current task; after each answer only this part of the page is drawn again."""
    draw: Any = _classify
    key = "annotate.card"
    if settings.design == "select":
        draw = _tick
        key = "annotate.grid"
    # What the browser keeps is the work of one annotator.
    scope = f"{page.dataset.name}|{page.version}|{settings.design}|{annotator}"
    turn, broken = read_seen((st.session_state.get(key) or {}).get("seen"), scope)
    draw(page, annotator, settings, broken, key=key, scope=scope, echo=turn, who=annotator, **decision_context(page))


def _classify(page: Opened, annotator: str, settings: CollectionSettings, broken: list[str], **task: Any) -> None:
    opened = page.opened
    ahead = queue.next_questions(page.decisions, page.votes, opened.run, annotator, ahead=_AHEAD + len(broken))
    questions = [question for question in ahead if question.task not in broken]
    progress = queue.progress(page.decisions, page.votes, opened.run, annotator)
    if questions or progress.answers:
        definitions = dict(settings.definitions)
        url = partial(image_url, opened.samples)
        classify_card(
            [Item(question.id, question.task, url(question.id, size="full")) for question in questions],
            opened.samples.classes,
            done=progress.answered,
            goal=progress.answered + progress.left,
            apart=progress.apart,
            finished=not questions,
            skip=settings.skip,
            least_ms=answers.FASTEST_MS,
            definitions=[definitions.get(name, "") for name in opened.samples.classes],
            **task,
        )
    if not questions:
        _nothing_left(progress)


def _tick(page: Opened, annotator: str, settings: CollectionSettings, _: list[str], **task: Any) -> None:
    opened = page.opened
    grid = queue.next_grid(page.decisions, page.votes, opened.run, annotator)
    progress = queue.progress(page.decisions, page.votes, opened.run, annotator)
    if grid is None:
        _nothing_left(progress)
    else:
        _question(grid, settings, progress)
    if grid is None and not progress.tasks:
        return
    grid = grid or GridTask("", "", (), ())  # an empty board, whose last grid can be taken back
    url = partial(image_url, opened.samples)
    tick_grid(
        [TickTile(id, url(id), url(id, size="full")) for id in grid.ids],
        task=grid.task,
        name=grid.class_name,
        ticked=grid.ticked,
        size=page.view.tile,
        can_go_back=progress.tasks > 0,
        **task,
    )


def _question(grid: GridTask, settings: CollectionSettings, progress: CollectionProgress) -> None:
    """Draw the class to tick with its definition, the rule, and the annotator's progress."""
    with apart():
        st.header(f"Tick every :green[{plain(grid.class_name)}]", anchor=False)
        st.caption(f"Grid {progress.tasks + 1:,} · {counted(progress.left, 'image')} left for you", width="content")
    if definition := dict(settings.definitions).get(grid.class_name):
        st.markdown(f"**{plain(definition)}**")
    st.caption(plain(settings.rule or RULE))


def _nothing_left(progress: CollectionProgress) -> None:
    """Draw the end of an annotator's tasks, and the progress of the collection."""
    with st.container(border=True):
        st.header("You're done", icon=":material/celebration:")
        votes = f"{progress.answers - progress.checks:,} answers"
        st.write(f"You have given {votes}, and {progress.checks:,} to images whose class is known. Thank you.")
        st.caption(
            f"{progress.done:,} of {progress.samples:,} images have all the votes that are wanted. The others are with "
            "other annotators, or wait for one."
        )


# --- what annotators decide --------------------------------------------------------------------------------------


def _answer(votes: Votes, run: RunFolder | None, decisions: Decisions, decision: Decision) -> Reply:
    label = None if decision.kind == "skip" else decision.choice
    return Reply(
        answers.answer(decisions, votes, run, decision.who, decision.task, decision.image, label, **_sent(decision))
    )


def _submit(votes: Votes, run: RunFolder | None, decisions: Decisions, decision: Decision) -> Reply:
    ids = decision.images
    return Reply(
        answers.submit_grid(decisions, votes, run, decision.who, decision.task, ids, decision.ticked, **_sent(decision))
    )


def _sent(decision: Decision) -> dict[str, Any]:
    return {"nonce": decision.nonce, "reaction_ms": decision.ms}


def _take_back(votes: Votes, run: RunFolder | None, decisions: Decisions, decision: Decision) -> Reply:
    """Retract the answer of a nonce, or the newest before the grid on screen, which tells whether that was done."""
    if not decision.of and decision.task != queue.open_grid(decisions, votes, run, decision.who):
        return Reply()
    if not answers.take_back(votes, decision.who, of=decision.of) and not decision.of:
        return Reply("There is no answer to take back.")
    return Reply()


#: What annotators decide, by kind of decision.
TAKERS: Takers = {"answer": _answer, "skip": _answer, "grid": _submit, "back": _take_back}


def answers_menu(page: Opened, me: str) -> None:
    """Draw a menu in which annotators can remove their answers for good."""
    with st.popover("My answers", icon=":material/delete:", type="tertiary", key="annotate.mine"):
        st.write("You can remove all your answers on this dataset for good. This cannot be undone.")
        sure = st.checkbox("I want that", key="annotate.sure")
        st.button(
            "Remove my answers",
            key="annotate.withdraw",
            icon=":material/delete_forever:",
            disabled=not sure,
            on_click=_remove_answers,
            args=(page, me),
        )


def _remove_answers(page: Opened, me: str) -> None:
    if st.session_state["annotate.sure"]:
        attempt(annotators.withdraw, page.votes, me, done="Your answers are removed")
        st.session_state["annotate.sure"] = False
