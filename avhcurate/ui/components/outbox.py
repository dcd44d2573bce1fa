"""Messages of the task components: answers with a nonce each, validated, since a browser may send anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator
from typing_extensions import TypedDict

from avhcurate.errors import CurateError
from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import mount, nothing
from avhcurate.ui.user_errors import in_page

#: The style of the cards.
_STYLE = Path(__file__).with_name("card.css").read_text(encoding="utf-8")

#: Answers that one message may hold, and the length of a nonce or a task's name.
_MOST, _LONGEST = 500, 120
#: A day in milliseconds, the longest time to an answer that is read.
_DAY_MS = 86_400_000
#: What an entry of each kind must have.
_NEEDED = {
    "answer": {"id", "task", "choice", "ms"},
    "skip": {"id", "task", "ms"},
    "grid": {"task", "ids", "ticked", "ms"},
    "back": {"of"},
    "broken": {"task"},
    "act": {"id", "action", "value"},
}

Text = Annotated[str, Field(max_length=_LONGEST)]
Ids = Annotated[list[NonNegativeInt], Field(max_length=_MOST)]


class Refused(TypedDict):
    """An entry that does not count, and why."""

    nonce: str
    why: str


class Receipt(TypedDict):
    """The reply to a message: `echo` of its turn, the nonces `taken`, and those `refused` among them."""

    echo: str
    taken: list[str]
    refused: list[Refused]


class TaskData(Receipt):
    """What the script of every task reads: `scope` names its subject and its user, `health` is an address to try."""

    scope: str
    health: str


class Entry(BaseModel):
    """One thing that a person did in the browser.

    `answer`: a `choice` for the image `id` of a task, after `ms` milliseconds; `skip`: none of them. `grid`: the tiles
    `ids` that were on screen, and the `ticked` ones. `back`: the answer with the nonce `of` is taken back, "" for the
    newest one. `broken`: the image of the task cannot be drawn. `act`: the image is tagged, relabelled or excluded, as
    `annotate` does by `action` and `value`.
    """

    model_config = ConfigDict(strict=True)

    kind: Literal["answer", "skip", "grid", "back", "broken", "act"]
    nonce: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    task: Text = ""
    id: NonNegativeInt = 0
    choice: NonNegativeInt = 0
    ms: Annotated[float, Field(ge=0, le=_DAY_MS, allow_inf_nan=False)] = 0
    ids: Ids = []
    ticked: Ids = []
    of: Text = ""
    action: Literal["tag", "untag", "relabel", "exclude", "include"] = "tag"
    value: str | int | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Entry:
        if not _NEEDED[self.kind] <= self.model_fields_set or len(set(self.ids)) < len(self.ids):
            raise ValueError("The entry is not whole.")
        return self


@dataclass
class Delivery:
    """Deliver each entry of the browser exactly once per session; `scope` names its subject and its user."""

    scope: str
    #: The reply to the browser's last message.
    receipt: Receipt = field(default_factory=lambda: Receipt(echo="", taken=[], refused=[]))
    #: Why each settled nonce was refused; "" where it counts.
    settled: dict[str, str] = field(default_factory=dict)

    def deliver(self, sent: Any, take: Callable[[Entry], str]) -> None:
        """Call `take` for each new entry in the component's state, in their order.

        `take` returns why an entry does not count, "" where it does; a `CurateError` is such a reason too.
        """
        turn, entries = read_message((sent or {}).get("outbox"), self.scope)
        if turn == self.receipt["echo"]:
            return
        for entry in entries:
            if entry.nonce not in self.settled:
                try:
                    self.settled[entry.nonce] = take(entry)
                except CurateError as error:
                    self.settled[entry.nonce] = in_page(str(error))
        nonces = [entry.nonce for entry in entries]
        refused = [Refused(nonce=nonce, why=self.settled[nonce]) for nonce in nonces if self.settled[nonce]]
        self.receipt = Receipt(echo=turn, taken=nonces, refused=refused)


def mount_task(
    file: str,
    html: str,
    *,
    key: str,
    receipt: Receipt,
    card: bool = True,
    states: Sequence[str] = (),
    acts: bool = False,
    **data: Any,
) -> None:
    """Draw the task component of the package `file` with `data` for its script; a `card` has the cards' style.

    With the next run the component's state has `outbox`, see `read_message`, and what else it keeps in `states`.
    `acts`: its keys act on images, see `commands`.
    """
    callbacks = {f"on_{state}_change": nothing for state in ("outbox", *states)}
    style = ""
    if card:
        style = _STYLE
    if acts:
        style = commands.STYLE + style
    mount(file, html, style=style, key=key, data=data | receipt, **callbacks)


def read_message(sent: Any, scope: str) -> tuple[str, list[Entry]]:
    """Return the turn and the valid entries of the message in a component's state; none for another scope.

    >>> back = {"kind": "back", "nonce": "n", "of": ""}
    >>> turn, entries = read_message({"scope": "a", "turn": "t", "entries": [back]}, "a")
    >>> turn, entries[0].kind
    ('t', 'back')
    >>> read_message({"scope": "a", "turn": "t", "entries": []}, "b")
    ('', [])
    """
    if not isinstance(sent, Mapping) or sent.get("scope") != scope:
        return "", []
    turn, found = sent.get("turn"), sent.get("entries")
    if not isinstance(turn, str) or not 0 < len(turn) <= _LONGEST:
        return "", []
    if not isinstance(found, Sequence) or isinstance(found, str):
        return turn, []
    entries = []
    for one in found[:_MOST]:
        try:
            entries.append(Entry.model_validate(one))
        except ValidationError:
            continue
    return turn, entries
