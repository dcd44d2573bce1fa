"""The frame of a page: the view, the open dataset and the samples that match, and what to do if one is missing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import streamlit as st

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Run, Text
from avhcurate.ui.base import url_state
from avhcurate.ui.base.layout import empty_state, turn
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import PLACES, plain, said
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.people import acting
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import page_file
from avhcurate.workspace.disk.room import disk_trouble

_P = ParamSpec("_P")

_FRAME = "frame.here"
#: Session state: the file of the page that is shown.
PAGE = "frame.page"
_ERROR = "frame.error"
#: Messages of success that the next run shows.
_MESSAGES = "frame.messages"
#: Marks simulated votes.
SIMULATED = ":orange-badge[:material/smart_toy: Simulated votes]"


@dataclass(frozen=True)
class Frame:
    """The view, fitted to the data, and the open dataset, None without one; `count` samples match the filters.

    `problem` says what is wrong with the view's condition: then no sample matches. The page shows what was decided up
    to the `entry` of the log, if not more. On a page that is not `filtered`, the filters of the address wait for the
    next page. `gone` says what has become of the dataset that the address names, where it is not there. `story` says
    what the page is for, `help` is the menu of its title, and `result` the place below it, where a page says first what
    it has found.
    """

    workspace: Workspace
    view: View
    opened: OpenDataset | None = None
    count: int = 0
    problem: Text = field(default_factory=Text)
    entry: int = 0
    filtered: bool = True
    gone: str = ""
    story: str = ""
    help: Any = None
    result: Any = None

    @property
    def filters(self) -> Filters:
        """The view's filters; with a condition that is not valid they match nothing."""
        if not self.filtered:
            return Filters()
        if self.problem:
            return self.view.filters.with_(where="FALSE")
        return self.view.filters

    @property
    def version(self) -> str:
        """Short fingerprint of the dataset with the classes of now, for decisions."""
        if self.opened is None:
            return ""
        return self.opened.samples.version


@dataclass(frozen=True)
class Opened(Frame):
    """A frame that has a dataset."""

    opened: OpenDataset

    @property
    def dataset(self) -> DatasetFolder:
        """The dataset itself: its images, runs and votes on the disk."""
        return self.opened.dataset

    @property
    def samples(self) -> SampleTable:
        """Its samples, with scores, HSF and decisions."""
        return self.opened.samples

    @property
    def votes(self) -> Votes:
        """What people have answered about the samples."""
        return self.opened.votes

    @property
    def decisions(self) -> Decisions:
        """What people have decided about the samples."""
        return self.opened.decisions

    @property
    def run(self) -> RunFolder:
        """The open run, on a page that needs one."""
        assert self.opened.run is not None
        return self.opened.run


def page() -> Frame:
    """Return the frame of this script run."""
    frame: Frame = st.session_state[_FRAME]
    return frame


def enter(frame: Frame) -> None:
    """Make `frame` that of this script run, and show the error and the messages of the callback before it."""
    st.session_state[_FRAME] = frame
    show_messages()
    if frame.problem:
        show_problem(Text("The SQL condition on the left is not valid, so no image is shown. ", frame.problem))


def while_allowed(draw: Callable[_P, None]) -> Callable[_P, None]:
    """Let a fragment or dialog draw nothing for a user who has lost their role, or of samples that were replaced.

    Fragments run without the main script, which asks for a sign-in and opens the dataset: there it runs again.
    """

    @wraps(draw)
    def asked(*args: _P.args, **keywords: _P.kwargs) -> None:
        if acting().role is None or _replaced():
            st.rerun(scope="app")
        with anew_if_replaced():
            draw(*args, **keywords)

    return asked


@contextmanager
def anew_if_replaced() -> Iterator[None]:
    """Run the page anew where it fails because its samples or classes were replaced while it was drawn."""
    try:
        yield
    except Exception:
        if not _replaced():
            raise
        st.rerun(scope="app")


def _replaced() -> bool:
    """Return whether the samples of this script run, or their classes, are no longer those of the dataset."""
    frame: Frame | None = st.session_state.get(_FRAME)
    return bool(frame and frame.opened and not frame.opened.decisions.current)


def announce(text: str) -> None:
    """Keep a message of success until `show_messages`, which shows it as a toast.

    Callbacks never call `st.toast` themselves: in the callback of a dialog it would take the dialog's own place among
    the page's elements, and the browser would lose the page.
    """
    st.session_state.setdefault(_MESSAGES, []).append(text)


def show_messages() -> None:
    """Show the error and the messages of the callback before this run: of a page, or of a dialog at its start."""
    show_error()
    for text in st.session_state.pop(_MESSAGES, ()):
        st.toast(plain(text), icon=":material/check_circle:", duration=8)  # as the grid's messages


def show_error(at: str = "", verb: str = "") -> None:
    """Show the error of the callback before this run, if it belongs here.

    `at` is the key of a form, which is of a `verb`, or "" for the page. A fragment may show only this, as a dialog may
    be open.
    """
    key, error = st.session_state.get(_ERROR, (None, Text()))
    if key == at:
        del st.session_state[_ERROR]
        show_problem(error, verb)


def show_user_error(error: Exception) -> bool:
    """Show a `CurateError`, a full disk or damage as a message, and return True; False where a traceback is needed."""
    text = error.text if isinstance(error, CurateError) else Text(disk_trouble(error))
    if text:
        show_problem(text)
    return bool(text)


def show_problem(text: Text, verb: str = "") -> None:
    """Show what is wrong, with links to where pages do what it advises; `verb` is that of the form or job."""
    st.error(said(text, verb))
    for part in text:
        if isinstance(part, Run) and part.verb in PLACES:
            title, page, form = PLACES[part.verb]
            if page_file(page).exists():  # it is not left out
                _link(url_state.current(), f"Go to {title}", page, form)


def with_data() -> Opened:
    """Return the frame with a dataset; without one, go to Home, which says how to get one."""
    frame = page()
    if frame.opened is None:
        st.switch_page(page_file("home"))
    return Opened(**vars(frame))


def with_run() -> Opened:
    """Return the frame with a scored dataset; without, say how to score it and end the page."""
    frame = with_data()
    if frame.opened.run is None:
        story = "Choose a network, and every image gets its scores."
        _end(frame, "No model has scored these images yet", story, {"Score the images": "classifier"})
    return frame


def with_votes() -> Opened:
    """Return the frame with a scored dataset that has human votes; without, say how to attach them and end the page."""
    frame = with_run()
    if frame.opened.samples.votes is None:
        story = "This page compares people with the network, so it needs votes."
        _end(frame, "No votes yet", story, {"Attach a file of votes": "votes", "Collect votes": ""})
    return frame


def lacking(frame: Opened, what: str, story: str, brings: str = "outputs") -> NoReturn:
    """End the page of a run that lacks `what`: say why it is needed, and lead to the form of Home that `brings` it."""
    label = "Score the images with a network" if brings == "classifier" else "Attach the outputs of a network"
    run = frame.opened.run
    if run is not None and run.has_heads and not run.has_class_weights:
        story += " This run is of several networks, each of a fold, which share none. Choose a run of one network."
    _end(frame, f"This run has no {what}", story, {label: brings})


def _end(frame: Opened, title: str, story: str, ways: dict[str, str]) -> NoReturn:
    """End a page with ways on: by label the form of Home, "" for the page Annotate."""

    def draw() -> None:
        for label, form in ways.items():
            way_on(frame, label, form)

    empty_state(title, "extension_off", story, draw)
    st.stop()


def way_on(frame: Frame, label: str, form: str, page: str = "annotate") -> None:
    """Draw a link to a form of Home, by what it asks for; "" for another page."""
    if form:
        page = "home"
    with st.container(key=f"way.{form}"):
        _link(frame.view, label, page, form)


def _link(view: View, label: str, page: str, form: str) -> None:
    query = view.choosing("home.have", form).elsewhere
    st.page_link(page_file(page), label=label, icon=":material/arrow_forward:", query_params=query)


def attempt(
    action: Callable[..., Any], *args: Any, done: str = "", closes: str = "", at: str = "", **keywords: Any
) -> None:
    """Call `action` in a widget's callback; a user's error is shown with the next run, `done` as a toast.

    `closes` is the key of a popover that closes when it is done, `at` that of the form that shows the error.
    """
    try:
        action(*args, **keywords)
    except CurateError as error:
        st.session_state[_ERROR] = (at, error.text)
        return
    if done:
        announce(done)
    if closes:
        turn(closes)


def mirrored(key: str, value: Any) -> str:
    """Set a widget to a value of the view before it is drawn; return the widget's key."""
    st.session_state[key] = value
    return key
