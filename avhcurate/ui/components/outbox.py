"""Messages of the task components: answers with a nonce each, validated, since a browser may send anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import mount, nothing

#: What a task component's own script begins with: the queue of answers, and helpers; and the style of the cards.
_SCRIPT, _STYLE = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("outbox.js", "card.css"))

#: Answers that one message may hold, and the length of a nonce or a task's name.
_MOST, _LONGEST = 500, 120
#: What may be done to an image besides answering.
_ACTIONS = ("tag", "untag", "relabel", "exclude", "include")
#: A day in milliseconds, the longest time to an answer that is read.
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Answer:
    """A class chosen for the image that was on screen."""

    nonce: str
    id: int
    task: str
    choice: int
    ms: int


@dataclass(frozen=True)
class GridAnswer:
    """A whole grid: the tiles that were on screen, and the ticked ones."""

    nonce: str
    task: str
    ids: tuple[int, ...]
    ticked: tuple[int, ...]
    ms: int


@dataclass(frozen=True)
class Retraction:
    """The answer with the nonce `of` is retracted; "" means the newest one."""

    nonce: str
    of: str


@dataclass(frozen=True)
class Broken:
    """The image of a task could not be drawn."""

    nonce: str
    task: str


@dataclass(frozen=True)
class Act:
    """An image is tagged, relabelled or excluded; `value` is as in `annotate`."""

    nonce: str
    id: int
    action: str
    value: str | int | None


Entry = Answer | GridAnswer | Retraction | Broken | Act


@dataclass(frozen=True)
class Message:
    """The entries without a receipt so far, oldest first; the receipt echoes `turn`."""

    turn: str = ""
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class RefusedAnswer:
    """An answer that did not count, and why."""

    nonce: str
    why: str


@dataclass(frozen=True)
class Receipt:
    """The reply to a message: its turn, the nonces that are settled, and those refused among them."""

    echo: str = ""
    taken: tuple[str, ...] = ()
    refused: tuple[RefusedAnswer, ...] = ()


@dataclass
class Settling:
    """Passes on entries, each once in this session; `scope` names their subject and their user."""

    scope: str
    #: The reply to the browser's last message.
    receipt: Receipt = field(default_factory=Receipt)
    #: Why each settled nonce was refused; "" where it counts.
    settled: dict[str, str] = field(default_factory=dict)

    def settle(self, sent: Any, pass_on: Callable[[Entry], str]) -> None:
        """Passes on the entries in the component's state, in their order, each once.

        `pass_on` returns why an entry does not count, "" where it does; a `CurateError` is such a reason too.
        """
        message = read_message((sent or {}).get("outbox"), self.scope)
        if message.turn == self.receipt.echo:
            return
        for entry in message.entries:
            if entry.nonce not in self.settled:
                try:
                    self.settled[entry.nonce] = pass_on(entry)
                except CurateError as error:
                    self.settled[entry.nonce] = str(error)
        nonces = tuple(entry.nonce for entry in message.entries)
        refused = tuple(RefusedAnswer(nonce, self.settled[nonce]) for nonce in nonces if self.settled[nonce])
        self.receipt = Receipt(message.turn, nonces, refused)


def mount_task(
    file: str,
    html: str,
    receipt: Receipt,
    *,
    key: str,
    card: bool = True,
    states: Sequence[str] = (),
    acts: bool = False,
    **data: Any,
) -> None:
    """Draws the task component of the package `file` with `data` for its script; a `card` has the cards' style.

    With the next run the component's state has `outbox`, see `read_message`, and what else it keeps in `states`.
    `acts`: its keys act on images, see `commands`.
    """
    callbacks = {f"on_{state}_change": nothing for state in ("outbox", *states)}
    script, style = _SCRIPT, _STYLE if card else ""
    if acts:
        script, style = commands.SCRIPT + script, commands.STYLE + style
    mount(file, html, script=script, style=style, key=key, data=data | asdict(receipt), **callbacks)


def read_message(sent: Any, scope: str) -> Message:
    """The message in a component's state, without invalid entries; empty for one of another scope.

    >>> read_message({"scope": "a", "turn": "t", "entries": [{"kind": "back", "nonce": "n", "of": "m"}, 7]}, "a")
    Message(turn='t', entries=(Retraction(nonce='n', of='m'),))
    >>> read_message({"scope": "a", "turn": "t", "entries": []}, "b")
    Message(turn='', entries=())
    """
    if not isinstance(sent, Mapping) or sent.get("scope") != scope or not _is_name(sent.get("turn")):
        return Message()
    entries: Any = sent.get("entries")
    read = [_entry(entry) for entry in entries[:_MOST]] if _is_list(entries) else []
    return Message(sent["turn"], tuple(entry for entry in read if entry is not None))


def _entry(sent: Any) -> Entry | None:
    if not isinstance(sent, Mapping) or not _is_name(sent.get("nonce")):
        return None
    nonce, ms = sent["nonce"], _milliseconds(sent.get("ms"))
    task: Any = sent.get("task")
    match sent:
        case {"kind": "answer", "id": id, "choice": choice} if _is_count(id) and _is_count(choice) and ms is not None:
            return Answer(nonce, id, task, choice, ms) if _is_name(task) else None
        case {"kind": "grid", "ids": ids, "ticked": ticked} if _is_ids(ids) and _is_ids(ticked) and ms is not None:
            return GridAnswer(nonce, task, tuple(ids), tuple(ticked), ms) if _is_name(task) else None
        case {"kind": "back", "of": str(of)} if len(of) <= _LONGEST:
            return Retraction(nonce, of)
        case {"kind": "act", "id": id, "action": action, "value": None | str() | int() as value} if _is_count(id):
            return Act(nonce, id, action, value) if action in _ACTIONS else None
        case {"kind": "broken"} if _is_name(task):
            return Broken(nonce, task)
    return None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _milliseconds(value: Any) -> int | None:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _DAY_MS
    return int(value) if valid else None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_ids(value: Any) -> bool:
    return _is_list(value) and len(value) <= _MOST and all(map(_is_count, value)) and len(set(value)) == len(value)
