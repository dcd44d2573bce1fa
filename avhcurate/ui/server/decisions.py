"""Decisions that browsers send: each is done once, about the images that it names of the dataset that it names.

A browser keeps a decision until it has heard of it from here, and sends it again after a cut or a reload.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit.logger import get_logger

from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.errors import CurateError, Unavailable
from avhcurate.ui.base import cache, signin
from avhcurate.ui.base.answers import NEVER_KEPT, base_path, passing
from avhcurate.ui.base.user_errors import in_page
from avhcurate.workspace.data.event import DoneBefore
from avhcurate.workspace.data.people import Person, Role, acting_as, require
from avhcurate.workspace.data.workspace import Workspace, find_workspace

#: Bytes of a message and decisions in it, at most; letters of a name.
_MOST_BYTES = 16_000_000
_MOST = 500
_LONGEST = 200
#: Kinds of decisions that annotators make; all others are those of curators.
ANNOTATING = ("answer", "skip", "grid", "back")
#: A day in milliseconds, the longest time to an answer that is read.
_DAY_MS = 86_400_000
#: The decisions of one window are done one after the other, also when it sends them twice at once.
_TURNS = [threading.Lock() for _ in range(64)]

#: How often each decision met an error of ours, by its nonce, until it is done; after so many times it is refused.
_failures = Counter[str]()
_MOST_TRIES = 10
_MOST_FAILURES = 10_000
_FAILED = (
    f"The server tried this {_MOST_TRIES} times and failed by an error of its own. "
    "Decide it again, and if that fails too, tell whoever runs the server, whose log has the error."
)

Text = Annotated[str, Field(max_length=_LONGEST)]
Span = Annotated[list[NonNegativeInt], Field(min_length=2, max_length=2)]


class Decision(BaseModel):
    """What a person decided in a browser, in the `window` there, about the images `ids` of an import of a dataset.

    `ids` are ranges, each up to the id before its second number. `value` is a tag, a class, the name of a set or the
    number of an entry; `of` names what it is about: a decision that is taken back, a list of suspects. Annotators, by
    their name `who`, answer a `task` after `ms` milliseconds by a `choice`, or by the ids that they `ticked`.
    """

    model_config = ConfigDict(strict=True)

    kind: Annotated[str, Field(max_length=20)]
    nonce: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    dataset: Text
    version: Text
    window: Text = ""
    ids: list[Span] = []
    value: str | int | None = None
    of: Text = ""
    who: Text = ""
    task: Text = ""
    choice: NonNegativeInt = 0
    ms: Annotated[float, Field(ge=0, le=_DAY_MS, allow_inf_nan=False)] = 0
    ticked: list[NonNegativeInt] = []

    def refuse_others(self, size: int) -> None:
        """Refuse spans that go beyond so many images, or come to more: they are never taken apart.

        >>> Decision(kind="tag", nonce="n", dataset="d", version="", ids=[[0, 9]]).refuse_others(9)
        """
        spans = [(start, stop) for start, stop in self.ids if start < stop]
        if max((stop for _, stop in spans), default=0) > size:
            raise CurateError(f"The dataset has {size:,} images, and this is about others. Reload the page.")
        if sum(stop - start for start, stop in spans) > size:
            raise CurateError("This names images more than once. Reload the page.")

    @property
    def images(self) -> list[int]:
        """The ids, one by one, once `refuse_others` has looked at them."""
        return [id for start, stop in self.ids for id in range(start, stop)]

    @property
    def image(self) -> int:
        """The only id; a decision about none or several is refused."""
        if len(images := self.images) != 1:
            raise CurateError("This is decided for one image at a time. Reload the page.")
        return images[0]


@dataclass(frozen=True)
class Reply:
    """What came of a decision: why it does not count, else a `text`; `undo` offers this, or undoing an entry."""

    why: str = ""
    text: str = ""
    undo: bool | int = False


@dataclass(frozen=True)
class Outcome(Reply):
    """The reply to the decision of a nonce; the log of its dataset has it from the `entry` on.

    `counts`: how many images are then relabelled, excluded and kept.
    """

    nonce: str = ""
    entry: int = 0
    counts: tuple[int, int, int] = (0, 0, 0)


#: Does the decisions of one kind; its first parameters name the parts of the open dataset that it gets before these.
Taker = Callable[..., Reply]
Takers = Mapping[str, Taker]


def take(workspace: Workspace, sent: Any, person: Person, takers: Takers) -> list[Outcome]:
    """Do what a browser sent, which may be anything, in its order; return what came of each decision.

    The list ends before one that cannot be done now, say since the database is away: the browser sends it again. Where
    that is an error of ours, which may never pass, it is refused after some tries.
    """
    outcomes: list[Outcome] = []
    for message in sent[:_MOST] if isinstance(sent, list) else ():
        try:
            decision = Decision.model_validate(message)
        except ValidationError:
            outcomes.append(Outcome("This page is of another version. Reload it.", nonce=_nonce(message)))
            continue
        try:
            outcomes.append(_done(workspace, decision, person, takers))
            _failures.pop(decision.nonce, None)
        except Exception as error:
            get_logger(__name__).exception("A decision could not be done. Its browser sends it again.")
            if passing(error) or not _failed_often(decision.nonce):
                break
            outcomes.append(Outcome(_FAILED, nonce=decision.nonce))
    return outcomes


def _failed_often(nonce: str) -> bool:
    """Count a try of a decision that failed; return whether it was one too many."""
    if len(_failures) >= _MOST_FAILURES:
        _failures.clear()
    _failures[nonce] += 1
    return _failures[nonce] >= _MOST_TRIES


def _nonce(sent: Any) -> str:
    if not isinstance(sent, Mapping):
        return ""
    return str(sent.get("nonce"))


def _done(workspace: Workspace, decision: Decision, person: Person, takers: Takers) -> Outcome:
    """Do a decision unless that has been done; what is refused is an outcome too."""
    opened = None
    with acting_as(replace(person, window=decision.window or person.window, act=decision.nonce)):
        try:
            opened = _table_of(workspace, decision)
            if opened.decisions.log.event_of(decision.nonce) is not None:
                raise DoneBefore("This was done already.")
            if decision.kind not in takers:
                raise CurateError("Unknown action. Reload the page.")
            require(Role.ANNOTATOR if decision.kind in ANNOTATING else Role.CURATOR, "this decision")
            decision.refuse_others(opened.samples.size)
            reply = opened.hand(takers[decision.kind], decision)
        except DoneBefore:
            reply = Reply()
        except Unavailable:
            raise  # no outcome: the browser keeps the decision and sends it again
        except CurateError as error:
            reply = Reply(in_page(error.text))
    outcome = Outcome(**asdict(reply), nonce=decision.nonce)
    if opened is None:
        return outcome
    return replace(
        outcome, entry=opened.decisions.log.version(opened.dataset.id), counts=opened.samples.decision_counts
    )


def _table_of(workspace: Workspace, decision: Decision) -> OpenDataset:
    """Return a table of the samples that a decision is about; refuse one about others.

    What has no version, image or task is about names, of classes or entries, which mean the same in any table.
    """
    name = decision.dataset
    if name not in workspace.names():
        raise CurateError(f"{name} was {_fate(workspace, name)}; nothing was changed.")
    named = not (decision.version or decision.ids or decision.task)
    opened = cache.any_opened(workspace, name, current=not named)
    if named:
        return opened
    if decision.version != opened.samples.version:
        raise CurateError(f"{name} was imported anew, or its classes changed; nothing was changed. Reload the page.")
    return opened


def _fate(workspace: Workspace, name: str) -> str:
    """Return what has become of a dataset that is not there by this name."""
    try:
        return f"renamed to {workspace.dataset(name).name}"
    except CurateError:
        return "removed"


# --- the route --------------------------------------------------------------------------------------------------


def decisions_url() -> str:
    """Return the address to which browsers send decisions."""
    return f"{base_path()}/decisions/new"


def keeper(workspace: Workspace) -> str:
    """Return a name under which a browser keeps decisions: those of another workspace or person wait for these."""
    return blake2b(f"{workspace.root.resolve()}\n{signin.who()}".encode(), digest_size=8).hexdigest()


def routes(takers: Takers) -> list[Route]:
    """Return the route of decisions, below `server.baseUrlPath` like Streamlit's own."""

    async def respond(request: Request) -> Response:
        if int(request.headers.get("content-length", _MOST_BYTES + 1)) > _MOST_BYTES:
            return JSONResponse({"error": "The message is too long."}, 413, NEVER_KEPT)
        outcomes = await run_in_threadpool(_answer, await request.body(), request.cookies, takers)
        return JSONResponse({"outcomes": [asdict(outcome) for outcome in outcomes]}, headers=NEVER_KEPT)

    return [Route(decisions_url(), respond, methods=["POST"])]


def _answer(body: bytes, cookies: Mapping[str, str], takers: Takers) -> list[Outcome]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return []
    window = ""
    if isinstance(sent, list) and sent and isinstance(sent[0], Mapping):
        window = str(sent[0].get("window", ""))
    with _TURNS[hash(window) % len(_TURNS)]:
        return take(find_workspace(), sent, signin.person_with(cookies), takers)
