"""What every page has and nobody sees: it keeps decisions until the server has them, and runs the page again.

It runs again when something was decided, here or in another window, and when a mark of a chart is clicked, and is
loaded again where nothing comes any more.
"""

from urllib.parse import urlencode

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typing_extensions import TypedDict

from avhcurate.errors import CurateError
from avhcurate.people.log import open_response_log
from avhcurate.ui.base import url_state
from avhcurate.ui.base.answers import NEVER_KEPT, base_path
from avhcurate.ui.base.frame import PAGE, Frame
from avhcurate.ui.base.signin import reloaded, session
from avhcurate.ui.charts.show import CLICKED
from avhcurate.ui.components.mount import mount, nothing
from avhcurate.ui.server.decisions import decisions_url, keeper
from avhcurate.ui.server.image_routes import health_url
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.workspace import find_workspace

_KEY = "page"


class PageData(TypedDict):
    """What the script reads.

    The `page` shows the `dataset`, "" for none, up to the `entry` of its log. Decisions go to the address `decisions`
    and are kept under the name `keeper`; `health` answers while the server does, and `changes`, where it is not "",
    whether the page is out of date; with each question the browser says which window the `session` is in. The page
    shows what the `query` of its address asks for, and knows that the browser went back or forward `backs` times.
    """

    page: str
    dataset: str
    entry: int
    keeper: str
    decisions: str
    health: str
    changes: str
    session: str
    query: str
    backs: int


def follow(frame: Frame, *, runs: bool, decisions: bool, answers: bool) -> None:
    """Let the browser keep decisions, and run the page again when a run of the dataset is finished (`runs`).

    With `decisions` it runs again when somebody else has decided something; with `answers` its parts hear when somebody
    has answered a task.
    """
    address = dataset = ""
    told = url_state.told()
    if frame.opened:
        dataset = frame.opened.samples.name
        query = {"address": str(told.number)}
        if runs:
            query["runs"] = _runs(frame.opened.dataset)
        if decisions:
            query["entry"] = str(frame.entry)
        if answers:
            query["answers"] = "new"
        address = f"{base_path()}/changes/{dataset}?{urlencode(query)}"
    data = PageData(
        page=st.session_state[PAGE],
        dataset=dataset,
        entry=frame.entry,
        keeper=keeper(frame.workspace),
        decisions=decisions_url(),
        health=health_url(),
        changes=address,
        session=session(),
        query=urlencode(st.query_params.to_dict()),
        backs=told.backs,
    )
    mount(__file__, "", key=_KEY, data=data, on_changed_change=nothing, on_clicked_change=_keep_clicked)


def _keep_clicked() -> None:
    """Keep what the browser says once, until a run of the page follows it."""
    address = st.session_state[_KEY].get("clicked")
    if isinstance(address, str):
        st.session_state[CLICKED] = address


def changes(request: Request) -> Response:
    """Answer whether runs or decisions are others than those that the page knows, and note which address it shows.

    A page that asks for `answers` gets what changes with each answer of an annotator.
    """
    query = request.query_params
    window = query.get("window", "")
    reloaded(query.get("session", ""), window)
    numbers = [query.get(name, "") for name in ("address", "backs")]
    if all(map(str.isdecimal, numbers)):
        url_state.heard(query.get("session", ""), *(int(number[:18]) for number in numbers))
    workspace = find_workspace()
    try:
        dataset = workspace.dataset(request.path_params["dataset"])
    except CurateError:  # it was removed, which the page says
        return JSONResponse({"changed": True}, headers=NEVER_KEPT)
    changed = dataset.name != request.path_params["dataset"]
    changed |= "runs" in query and _runs(dataset) != query["runs"]
    if query.get("entry", "").isdecimal():
        changed |= open_events(workspace.root).news(dataset.id, since=int(query["entry"][:18]), window=window)
    answers = None
    if "answers" in query:
        answers = str(open_response_log(workspace.root).columns(dataset.id).version)
    return JSONResponse({"changed": changed, "answers": answers}, headers=NEVER_KEPT)


def _runs(dataset: DatasetFolder) -> str:
    """Return a text that changes when a run is begun, finished or removed."""
    written = [path.stat().st_mtime_ns for path in dataset.root.glob("runs/*/run.json")]
    return f"{len(written)} {max(written, default=0)}"


def routes() -> list[Route]:
    """Return the route, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/changes/{{dataset}}", changes)]
