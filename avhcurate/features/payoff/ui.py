"""The page Payoff: what decisions were worth, and checks of locked images by hand."""

from functools import partial

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.locked import lock
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.payoff import service, texts
from avhcurate.features.payoff.keep_service import keep_curve
from avhcurate.features.payoff.plots import gain_dots, keep_chart
from avhcurate.features.payoff.service import KINDS, Compared, Decided, Payoff
from avhcurate.ui.base.cache import file_key, kept
from avhcurate.ui.base.frame import Opened, attempt, while_allowed
from avhcurate.ui.base.layout import empty_state, in_a_row
from avhcurate.ui.base.page_choices import switch
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.server.image_routes import image_url

#: The command line compares heads on more images than these.
MOST = 200_000
_CHECKING = switch("payoff.check")
_KEEPING = switch("payoff.keep")
_ALL = "All decisions"
#: Keys of the buttons of an answer, by their places.
_KEYS = "123456789"
_PICTURE = (
    '<img src="{}" alt="The image to check" style="display: block; height: 20rem; max-width: 100%; '
    'object-fit: contain">'
)


def offer_lock(page: Opened) -> None:
    """Draw what a locked part is, and a button that locks one."""
    story = (
        "A locked part tells later whether your decisions helped: nothing learns from its labels, so that it can judge "
        "heads fitted before and after them."
    )
    act = partial(attempt, lock, page.table, done="A fifth is locked")
    button = partial(st.button, "Lock a fifth now", key="payoff.lock", type="primary", on_click=act, **for_curators())
    empty_state("No part is locked yet", "lock", story, button)


def compare(page: Opened) -> Compared:
    """Return heads before and after all decisions since the lock."""
    return _compared(page.table, service.decided(page.table))


def _run_key(table: DatasetTable) -> str:
    """Return what changes with the embeddings: checks change the log, and no head."""
    assert table.run is not None
    return f"{table.fingerprint} {file_key(table.run.scores_path)}"


@kept("Fitting heads before and after …", most=4, funcs={DatasetTable: _run_key, Decided: Decided.digest})
def _compared(table: DatasetTable, decided: Decided) -> Compared:
    return service.compare(table, decided)


@kept("Fitting heads to shares of the images …", most=4, funcs={DatasetTable: _run_key, Decided: Decided.digest})
def _curve(table: DatasetTable, decided: Decided) -> pd.DataFrame:
    return keep_curve(table)


def show_keep(page: Opened) -> None:
    """Draw, on demand, which images to keep where only a share can be trained on."""
    about = "Heads are fitted to shares of the images outside the locked part and judged on it: half a minute or so."
    _KEEPING.show(st.toggle, "What to keep, if not all", help=about)
    if not _KEEPING.asked():
        return
    show_chart(keep_chart(_curve(page.table, service.decided(page.table))), key="payoff.curve")
    st.caption(
        "Bars are 95 % intervals over five draws. The hardest images are the worst to train on, unless nearly all are "
        "kept. To write the images of a rule:"
    )
    line = f"avhcurate select {page.dataset.name} --rule keep --portion 0.5 --out keep.csv"
    st.code(line, language="bash")


@st.fragment
@while_allowed
def show(page: Opened, compared: Compared) -> None:
    """Draw what the decisions were worth and, on demand, an image to check; redrawn alone after each answer."""
    page.table.refresh()
    found = service.judged(page.table, compared)
    st.markdown(f"### {texts.sentence(found)}")
    if not found.decisions:
        return
    names = {kind: f"{KINDS[kind].capitalize()}, {found.decisions[kind]:,}" for kind in found.kinds}
    show_chart(gain_dots({_ALL: found.gain} | {names[kind]: gain for kind, gain in found.kinds.items()}), key="payoff")
    for line in texts.way_on(found):
        st.markdown(line)
    if found.unchecked:
        if _CHECKING.asked():
            _check(page, compared, found)
            return
        about = "You see images on which the heads differ, without their label. What you say corrects the gain."
        # A toggle would keep the focus, and the keys of the answers with it.
        act = partial(_CHECKING.put, True)
        allowed = for_curators(help=about)
        st.button("Check locked images by hand", key="payoff.check_now", on_click=act, **allowed)


def _check(page: Opened, compared: Compared, found: Payoff) -> None:
    """Draw the next image to check and a button for each class that heads name, with its key."""
    id = found.unchecked[0]
    # A button is of one image: a key that comes late is about the image that was on screen.
    key = f"payoff.check.{id}"
    first, *following = (_url(page, other) for other in found.unchecked[:2])
    # The next one is fetched meanwhile, so that it is there when its buttons are.
    st.html(_PICTURE.format(first) + "".join(f'<img src="{url}" alt="" hidden>' for url in following))
    st.caption("Which class is this? Press its number.")
    with in_a_row():
        labels = service.candidates(compared, id)
        for place, label in enumerate(labels):
            act = partial(attempt, service.check, page.table, id, label)
            name = plain(page.table.classes[label])
            shortcut = None
            if place < len(_KEYS):
                shortcut = _KEYS[place]
            st.button(name, key=f"{key}.{label}", on_click=act, shortcut=shortcut, **for_curators())
        act = partial(attempt, service.check, page.table, id, None)
        st.button("None of these", key=f"{key}.none", on_click=act, shortcut="0", type="tertiary", **for_curators())


def _url(page: Opened, id: int) -> str:
    return image_url(page.dataset.name, id, version=page.version, size="full")
