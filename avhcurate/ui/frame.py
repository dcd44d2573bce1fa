"""The frame of a page: the view, the open table and the samples that match, and what to do where one is missing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, NoReturn, ParamSpec

import streamlit as st

from avhcurate.data import background
from avhcurate.data.people import acting
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Jobs
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui.layout import empty_state
from avhcurate.ui.popovers import close_popover
from avhcurate.ui.signin import for_curators
from avhcurate.ui.url_state import View
from avhcurate.ui.user_errors import plain

_P = ParamSpec("_P")

_FRAME = "frame.here"
_ERROR = "frame.error"
#: Messages of success that the next run shows: (text, icon).
_MESSAGES = "frame.messages"
#: Marks simulated votes wherever they show.
SIMULATED = ":orange-badge[:material/smart_toy: Simulated votes]"


@dataclass(frozen=True)
class Frame:
    """The view, fitted to the data, and the open table (None without a dataset); `count` samples match the filters.

    `problem` says what is wrong with the view's condition: then no sample matches.
    """

    workspace: Workspace
    view: View
    table: DatasetTable | None = None
    count: int = 0
    problem: str = ""

    @property
    def filters(self) -> Filters:
        """The view's filters; such that leave nothing where its condition is wrong."""
        return self.view.filters.with_(where="FALSE") if self.problem else self.view.filters

    @property
    def version(self) -> str:
        """Short fingerprint of the dataset, for image addresses."""
        return self.table.fingerprint[:12] if self.table else ""


@dataclass(frozen=True)
class Opened(Frame):
    """A frame that has a dataset."""

    table: DatasetTable


def page() -> Frame:
    """The frame of this script run."""
    frame: Frame = st.session_state[_FRAME]
    return frame


def enter(frame: Frame) -> None:
    """Makes `frame` that of this script run, and shows the error and the messages of the callback before it."""
    st.session_state[_FRAME] = frame
    show_messages()
    if frame.problem:
        st.error(plain(f"No sample is shown until the SQL condition on the left is right: {frame.problem}"))


def while_allowed(draw: Callable[_P, None]) -> Callable[_P, None]:
    """The function of a fragment or dialog that shows nothing to who has lost their role since the page was drawn, and
    nothing of samples that an import has replaced since.

    Fragments run without the main script, which asks for a sign-in and opens the dataset: there it runs again.
    """

    @wraps(draw)
    def asked(*args: _P.args, **keywords: _P.kwargs) -> None:
        frame: Frame | None = st.session_state.get(_FRAME)
        if acting().role is None or (frame and frame.table and not frame.table.current):
            st.rerun(scope="app")
        draw(*args, **keywords)

    return asked


def announce(text: str, icon: str = "check_circle") -> None:
    """Keeps a message of success until `show_messages`, which shows it as a toast.

    Callbacks never call `st.toast` themselves: in the callback of a dialog it would take the dialog's own place among
    the page's elements, and the browser would lose the page.
    """
    st.session_state[_MESSAGES] = (*st.session_state.get(_MESSAGES, ()), (text, icon))


def show_messages() -> None:
    """Shows the error and the messages of the callback before this run.

    The page does so for its own run, and a dialog at its start.
    """
    show_error()
    for text, icon in st.session_state.pop(_MESSAGES, ()):
        st.toast(plain(text), icon=f":material/{icon}:")


def show_error() -> None:
    """Shows the error of the callback before this run; all that a fragment may show, as a dialog may be open beside."""
    if error := st.session_state.pop(_ERROR, None):
        st.error(plain(error))


def with_data() -> Opened:
    """The frame with a dataset; without one, says how to get one and ends the page."""
    frame = page()
    if frame.table is None:
        empty_workspace(frame)
        st.stop()
    return Opened(frame.workspace, frame.view, frame.table, frame.count, frame.problem)


def with_run() -> Opened:
    """The frame with a dataset that a model has scored; without, says how to score it and ends the page."""
    frame = with_data()
    if frame.table.run is None:
        command = f"avhcurate score {frame.table.dataset.name} --model torchvision:resnet50"
        title = "No model has scored this dataset yet"
        empty_state(title, "model_training", "Start a scoring job on the Home page, or run:", command=command)
        st.stop()
    return frame


def lacking(frame: Opened, what: str, story: str, file_option: str = "") -> NoReturn:
    """Ends the page of a run that lacks `what`: says why the page needs it, and which option of `attach` brings it."""
    command = f"avhcurate attach {frame.table.dataset.name} {file_option}" if file_option else ""
    empty_state(f"This run has no {what}", "extension_off", story, command=command)
    st.stop()


def with_votes() -> Opened:
    """The frame with a scored dataset that has human votes; without, says how to attach them and ends the page."""
    frame = with_run()
    if frame.table.votes is None:
        story = "This page compares people with the network, so it needs votes: a count matrix or a long table."
        command = f"avhcurate votes {frame.table.dataset.name} VOTES.csv"
        empty_state("No human votes are attached yet", "how_to_vote", story, command=command)
        st.stop()
    return frame


def empty_workspace(frame: Frame) -> None:
    """Shown in a workspace without datasets: load the demo or import images."""
    job = Jobs(frame.workspace.root).newest()
    busy = job is not None and job.active
    load_demo = partial(
        st.button,
        "Load the digits demo",
        icon=":material/play_arrow:",
        type="primary",
        key="frame.demo",
        on_click=attempt,
        args=(background.start, frame.workspace.root, ["demo"]),
        kwargs={"verb": "demo"},
        **for_curators("Running jobs", disabled=busy),
    )
    empty_state(
        "No dataset yet",
        "folder_open",
        "Start with the embedded handwritten digits, which takes some seconds, or import your own images: "
        "a folder with a sub-folder per class, a CSV or Parquet manifest, or a Parquet file with image bytes.",
        load_demo,
        command="avhcurate import NAME path/to/images",
    )
    if busy:
        _wait_for_job(frame)


def attempt(action: Callable[..., Any], *args: Any, done: str = "", closes: str = "", **keywords: Any) -> None:
    """Calls `action` from a widget's callback; a user's error is shown with the next run, `done` as a toast.

    `closes` is the key of a popover that closes when it is done.
    """
    try:
        action(*args, **keywords)
    except CurateError as error:
        st.session_state[_ERROR] = str(error)
    else:
        if done:
            announce(done)
        if closes:
            close_popover(closes)


def mirrored(key: str, value: Any) -> str:
    """Sets a widget to a value of the view before it is drawn; returns the widget's key."""
    st.session_state[key] = value
    return key


@st.fragment(run_every=1.0)
@while_allowed
def _wait_for_job(frame: Frame) -> None:
    job = Jobs(frame.workspace.root).newest()
    if job is None or not job.active:
        st.rerun()
    share = job.done / job.total if job.total else 0.0
    st.progress(min(share, 1.0), text=job.message or "Preparing the digits …")
