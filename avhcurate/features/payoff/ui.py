"""The page Payoff: what decisions were worth, and checks of locked images by hand."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.history import undo_entry
from avhcurate.datasets.curate.locked import lags, lock
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.features.payoff import service, texts
from avhcurate.features.payoff.keep_service import keep_curve
from avhcurate.features.payoff.plots import gain_dots, keep_chart
from avhcurate.features.payoff.settings import PayoffSettings
from avhcurate.features.payoff.study import KINDS, Compared, LabelChanges, Payoff
from avhcurate.ui.base.cache import file_key, kept
from avhcurate.ui.base.frame import Opened, attempt, while_allowed
from avhcurate.ui.base.job_forms import job_button, of_run, running_job, start
from avhcurate.ui.base.layout import empty_state
from avhcurate.ui.base.page_choices import switch
from avhcurate.ui.base.signin import for_curators, say_why_not
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.components.classify import Item, classify_card
from avhcurate.ui.components.task import read_seen
from avhcurate.ui.grid.grid_bar import decision_context
from avhcurate.ui.server.decisions import Decision, Reply, Takers
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.people import Role
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.app_files import PAGES

#: The command line compares heads on more images than these.
MOST = 200_000
_CHECKING = switch("payoff.check")
_KEEPING = switch("payoff.keep")
_ALL = "All decisions"
_CARD = "payoff.card"
#: Images handed out at once, and milliseconds from which one was seen.
_AHEAD = 8
_LEAST_MS = 100


def offer_lock(page: Opened) -> None:
    """Draw what a locked part is, and a button that locks one and goes on to the verdict."""
    story = (
        "A locked part tells later whether your decisions helped: nothing learns from its labels, so that it can judge "
        "heads fitted before and after them."
    )
    act = partial(attempt, _lock, page, done="A fifth is locked")
    button = partial(st.button, "Lock a fifth now", key="payoff.lock", type="primary", on_click=act, **for_curators())
    empty_state("No part is locked yet", "lock", story, button)


def _lock(page: Opened) -> None:
    lock(page.decisions, page.opened.run)
    if lags(page.dataset, page.run.record) and not running_job():
        start(partial(PayoffSettings, **of_run(page)))


def offer_heads(page: Opened) -> None:
    """Draw why the open run cannot judge yet, and a button that fits its head again, which opens the new run."""
    story = (
        "This run was made before a part was locked, and its head knows the locked labels. It is fitted again from the "
        "stored embeddings, and the suspects after it: no image is read."
    )
    settings = PayoffSettings(**of_run(page))
    button = partial(job_button, "Fit the head again", "model_training", lambda: settings, key="payoff.fit")
    empty_state("The head knows the locked labels", "model_training", story, button)


def compare(page: Opened) -> Compared:
    """Return heads before and after all decisions since the lock."""
    return _compared(
        page.samples, page.opened.run, page.dataset, service.label_changes(page.decisions, page.opened.run)
    )


#: What a comparison of heads depends on, with the embeddings of the run: checks change the log, and no head.
_HEADS: dict[str | type, Any] = {
    SampleTable: lambda samples: samples.fingerprint,
    RunFolder: lambda run: file_key(run.scores_path),
    DatasetFolder: lambda dataset: str(dataset.root),
    LabelChanges: LabelChanges.digest,
}


@kept("Fitting heads before and after …", most=4, funcs=_HEADS)
def _compared(samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, changes: LabelChanges) -> Compared:
    return service.compare(samples, run, dataset, changes)


@kept("Fitting heads to shares of the images …", most=4, funcs=_HEADS)
def _curve(samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, changes: LabelChanges) -> pd.DataFrame:
    return keep_curve(samples, run, dataset, changes)


def show_keep(page: Opened) -> None:
    """Draw, on demand, which images to keep where only a share can be trained on."""
    help_text = (
        "Heads are fitted to shares of the images outside the locked part and judged on it: half a minute or so."
    )
    _KEEPING.show(st.toggle, "What to keep, if not all", help=help_text)
    if not _KEEPING.asked():
        return
    changes = service.label_changes(page.decisions, page.opened.run)
    show_chart(keep_chart(_curve(page.samples, page.opened.run, page.dataset, changes)), key="payoff.curve")
    st.caption(
        "Bars are 95 % intervals over five draws. The hardest images are mostly the worst to train on. To write the "
        "images of a rule:"
    )
    line = f"avhcurate select {page.dataset.name} --rule keep --portion 0.5 --out keep.csv"
    st.code(line, language="bash")


@st.fragment
@while_allowed
def show(page: Opened, compared: Compared) -> None:
    """Draw what the decisions were worth and, on demand, an image to check; redrawn alone after each answer."""
    page.opened.refresh()
    found = service.payoff_of(page.decisions, compared)
    st.markdown(f"## {texts.sentence(found)}")
    if not found.decisions:
        return
    names = {kind: f"{KINDS[kind].capitalize()}, {found.decisions[kind]:,}" for kind in found.kinds}
    show_chart(gain_dots({_ALL: found.gain} | {names[kind]: gain for kind, gain in found.kinds.items()}), key="payoff")
    for line in texts.way_on(found):
        st.markdown(line)
    if found.gain.verdict == "cannot tell":
        label = "What can be told: how many labels are wrong at most"
        query = page.view.elsewhere
        st.page_link(PAGES / "certificate.py", label=label, icon=":material/workspace_premium:", query_params=query)
    if found.unchecked:
        if _CHECKING.asked():
            _card(page, found)
            return
        told = "You see images on which the heads differ, without their label. What you say corrects the gain."
        act = partial(_CHECKING.put, True)
        allowed = for_curators(help=told)
        st.button("Check locked images by hand", key="payoff.check_now", on_click=act, **allowed)


def _card(page: Opened, found: Payoff) -> None:
    """Draw the card of the images to check, as annotators have it."""
    say_why_not(Role.CURATOR, "Checking images")
    scope = f"{page.dataset.name}|{page.version}|check"
    turn, broken = read_seen((st.session_state.get(_CARD) or {}).get("seen"), scope)
    ids = [id for id in found.unchecked if str(id) not in broken]
    url = partial(image_url, page.samples, size="full")
    done = len(service.checks(page.decisions))
    classify_card(
        [Item(id, str(id), url(id)) for id in ids[:_AHEAD]],
        page.samples.classes,
        subject="check ",
        done=done,
        goal=done + len(ids),
        apart="",
        finished=not ids,
        skip=True,
        least_ms=_LEAST_MS,
        key=_CARD,
        scope=scope,
        echo=turn,
        who="",
        **decision_context(page),
    )


# --- what is decided ---------------------------------------------------------------------------------------------


def _check(decisions: Decisions, decision: Decision) -> Reply:
    service.check(decisions, decision.image, decision.choice)
    return Reply()


def _skip(decisions: Decisions, decision: Decision) -> Reply:
    service.check(decisions, decision.image, None)
    return Reply()


def _take_back(decisions: Decisions, decision: Decision) -> Reply:
    entry = decisions.log.event_of(decision.of)
    if entry is None:
        return Reply("There is no check to take back.")
    undo_entry(decisions, str(entry))
    return Reply()


#: What is decided about locked images, by kind of decision.
TAKERS: Takers = {"check answer": _check, "check skip": _skip, "check back": _take_back}
