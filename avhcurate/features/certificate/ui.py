"""The page Certificate: a plan, the card that asks about drawn images, and the bound that narrows as one answers."""

from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.datasets.curate import certificate_texts as texts
from avhcurate.datasets.curate.certificate import Certificate, certificate
from avhcurate.datasets.curate.certificate_plan import CertificateFolder, newest_certificate
from avhcurate.datasets.curate.history import undo_entry
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.certificate import service
from avhcurate.features.certificate.settings import CONFIDENCE
from avhcurate.ui.base.frame import Opened, attempt, while_allowed
from avhcurate.ui.base.layout import apart, empty_state, fact, in_a_row
from avhcurate.ui.base.page_choices import gallery_link, switch
from avhcurate.ui.base.signin import for_curators, say_why_not
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.components.classify import Item, classify_card
from avhcurate.ui.components.task import read_seen
from avhcurate.ui.grid.grid_bar import decision_context
from avhcurate.ui.server.decisions import Decision, Reply, Takers
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.event import NEITHER
from avhcurate.workspace.data.people import Role

_ON = switch("certificate.on")
_TWICE = switch("certificate.twice")
_CARD = "certificate.card"
#: The last class of the card.
_NONE = "None of these"
#: Images handed out at once and drawn beforehand, milliseconds from which one was seen, and second looks to be asked.
_AHEAD, _DRAWN, _LEAST_MS, _SECOND = 8, 25, 100, 50
_STORY = (
    "You name what images show, drawn by chance and without their label. What you say tells how many of all labels are "
    "wrong at most, and when you can stop."
)


def offer_plan(page: Opened) -> None:
    """Draw what a certificate is, and the form that plans one."""
    empty_state("Are the labels good enough?", "workspace_premium", _STORY, partial(_plan_form, page))


def _plan_form(page: Opened) -> None:
    with st.form("certificate.plan", border=False), in_a_row():
        st.number_input("At most wrong, %", 0.01, 50.0, 2.0, 0.5, key="certificate.at_most", width=170)
        st.number_input("Sure by, %", 50.0, 99.9, 100 * CONFIDENCE, 1.0, key="certificate.confidence", width=130)
        act: dict[str, Any] = {
            "on_click": attempt,
            "args": (_plan, page),
            "kwargs": {"done": "Planned and drawn"},
        }
        st.form_submit_button("Plan and draw", type="primary", icon=":material/casino:", **act, **for_curators())


def _plan(page: Opened) -> None:
    at_most = round(st.session_state["certificate.at_most"] / 100, 6)
    confidence = round(st.session_state["certificate.confidence"] / 100, 6)
    folder = service.plan(
        page.decisions, page.opened.votes, at_most=at_most, confidence=confidence, where=page.filters.where, again=True
    )
    with suppress(CurateError):  # every label is decided: nothing is left to draw
        service.draw(page.decisions, folder, _DRAWN)


@st.fragment
@while_allowed
def show(page: Opened) -> None:
    """Draw what the newest certificate says and the card; redrawn alone after each answer."""
    page.opened.refresh()
    folder = newest_certificate(page.dataset)
    if folder is None:
        return
    found = certificate(page.decisions, folder)
    st.markdown(f"## {plain(texts.sentence(found))}")
    with in_a_row("top", gap="medium"):
        sure = f"{100 * found.record.confidence:g} % sure"
        fact("At most wrong", texts.percent(found.high), f"{sure}, wanted {texts.percent(found.record.at_most)}")
        about = "–"
        if found.looks:
            about = f"{100 * found.estimate:.1f} %"
        fact("About", about, "of the labels, by these looks")
        fact("Looks", f"{found.looks:,}", f"{counted(len(found.open), 'image')} drawn and open")
        fact("Decided by hand", f"{found.record.reviewed:,}", f"of {counted(found.population, 'label')}")
    if not found.looks and not found.exact:
        st.caption(texts.expected(found.record, service.expectations(found.record)))
    _say_verdict(found)
    _contradicted(page, found)
    _work(page, found, folder)
    st.caption(plain(" ".join(texts.notes(found))))
    _classes(found)
    st.code(f"avhcurate certify {page.dataset.name} --badge certificate.svg", language="bash")


def _say_verdict(found: Certificate) -> None:
    """Say whether one can stop: since it is reached, or since it no longer can be."""
    said = texts.verdict(found)
    if found.verdict == "reached":
        st.success(said, icon=":material/verified:")
    elif found.verdict == "cannot be reached":
        st.error(said, icon=":material/cancel:")
    elif found.looks:
        st.markdown(said)


def _contradicted(page: Opened, found: Certificate) -> None:
    """Lead to the images whose label a look contradicts, once one can stop: correcting them one by one is no look."""
    if not found.against or (found.verdict == "not reached" and not found.moved):
        return
    ids = service.ids_of(page.decisions, found.against)
    gallery_link("Labels that looks contradict", filters=Filters(ids=tuple(sorted(ids.values()))))


def _classes(found: Certificate) -> None:
    if not found.classes:
        return
    with st.expander("By class"):
        rows = [dict(row) | {"high": texts.percent(row["high"])} for row in found.classes]
        st.dataframe(rows, hide_index=True, key="certificate.classes")


def _work(page: Opened, found: Certificate, folder: CertificateFolder) -> None:
    """Draw the card, or where one can stop what else there is."""
    twice = _TWICE.asked()
    done = found.verdict != "not reached" and not _ON.asked() and not twice
    if not done and (found.open or twice):
        _card(page, found, twice=twice)
    with apart():
        with in_a_row(width="content"):
            if done and found.open:
                st.button("Go on looking", key="certificate.go_on", on_click=_ON.put, args=(True,))
            if not done and not found.open and not twice and not found.exact:
                act = partial(attempt, service.draw, page.decisions, folder, _DRAWN)
                st.button(f"Draw {_DRAWN} images", key="certificate.draw", on_click=act, **for_curators())
            if found.looks:
                told = "You are asked about images again that have an answer. It tells how often looks err."
                _TWICE.show(st.toggle, "Second looks", help=told)
        with st.popover("Plan again", icon=":material/casino:", type="tertiary", key="certificate.again"):
            st.write("A new order is drawn from the labels of now. Looks so far stay in the history and do not count.")
            _plan_form(page)


def _card(page: Opened, found: Certificate, *, twice: bool) -> None:
    """Draw the card of the images to look at, as annotators have it."""
    say_why_not(Role.CURATOR, "Looking at images for a certificate")
    name = found.record.name
    scope = f"{page.dataset.name}|{page.version}|look|{name}|{twice}"
    turn, broken = read_seen((st.session_state.get(_CARD) or {}).get("seen"), scope)
    paths, done = found.open, found.looks
    if twice:
        order = np.random.default_rng(found.record.seed).permutation(len(found.once))
        paths, done = tuple(found.once[place] for place in order), found.again
    ids = service.ids_of(page.decisions, paths)
    tasks = {f"{name} {ids[path]}": ids[path] for path in paths if path in ids}
    left = [task for task in tasks if task not in broken]
    classes = page.samples.classes
    url = partial(image_url, page.samples, size="full")
    classify_card(
        [Item(tasks[task], task, url(tasks[task])) for task in left[:_AHEAD]],
        [*(classes[number] for number in shuffled(len(classes), found.record.seed)), _NONE],
        subject="look ",
        done=done,
        goal=max(_SECOND, done) if twice else done + len(left),
        apart="",
        finished=not left,
        skip=True,
        least_ms=_LEAST_MS,
        key=_CARD,
        scope=scope,
        echo=turn,
        who="",
        **decision_context(page),
    )


def shuffled(classes: int, seed: int) -> list[int]:
    """Return the numbers of the classes in the order of the card, which tells nothing of the label."""
    return [int(number) for number in np.random.default_rng(seed).permutation(classes)]


# --- what is decided ---------------------------------------------------------------------------------------------


def _look(decisions: Decisions, decision: Decision) -> Reply:
    classes = decisions.samples.classes
    folder = service.current(decisions)
    order = shuffled(len(classes), folder.record.seed)
    said = NEITHER
    if decision.choice < len(order):
        said = classes[order[decision.choice]]
    return _take(decisions, decision, folder, said)


def _skip(decisions: Decisions, decision: Decision) -> Reply:
    return _take(decisions, decision, service.current(decisions), None)


def _take(decisions: Decisions, decision: Decision, folder: CertificateFolder, said: str | None) -> Reply:
    """Write a look down, and draw ahead, so that the card never waits."""
    if decision.task != f"{folder.name} {decision.image}":
        return Reply("Another certificate was planned meanwhile. Reload the page.")
    (path,) = decisions.samples.paths_of([decision.image])
    service.look(decisions, folder, {path: said})
    with suppress(CurateError):  # all were looked at
        service.draw(decisions, folder, 2 * _AHEAD)
    return Reply()


def _take_back(decisions: Decisions, decision: Decision) -> Reply:
    entry = decisions.log.event_of(decision.of)
    if entry is None:
        return Reply("There is no look to take back.")
    undo_entry(decisions, str(entry))
    return Reply()


#: What is decided about drawn images, by kind of decision.
TAKERS: Takers = {"look answer": _look, "look skip": _skip, "look back": _take_back}
