"""The components of tasks, one card each, whose script sends decisions by itself and then asks for what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import is_count, mount, nothing

#: The style of the cards.
_STYLE = Path(__file__).with_name("card.css").read_text(encoding="utf-8")
#: Tasks whose images cannot be drawn, at most, and letters of a task's name.
_MOST = 500
_LONGEST = 120


class TaskData(commands.About):
    """What the script of every task reads: `scope` names its subject and its user, `echo` the last request heard."""

    scope: str
    echo: int


class AnnotatorData(TaskData):
    """What the script of a task for annotators reads: `who` answers."""

    who: str


def mount_task(
    file: str, html: str, *, key: str, state: str = "seen", card: bool = True, acts: bool = False, **data: Any
) -> None:
    """Draw the task component of the package `file` with `data` for its script; a `card` has the cards' style.

    With the next run the component's state has its request under the name `state`, see `read_seen`. `acts`: its keys
    act on images, see `commands`.
    """
    style = ""
    if card:
        style = _STYLE
    if acts:
        style = commands.STYLE + style
    mount(file, html, style=style, key=key, data=data, **{f"on_{state}_change": nothing})


def read_seen(sent: Any, scope: str) -> tuple[int, list[str]]:
    """Return the number of a browser's last request, 0 for none, and the tasks whose images it could not draw.

    >>> read_seen({"scope": "a", "turn": 3, "broken": ["t1", 7]}, "a"), read_seen({"scope": "b", "turn": 3}, "a")
    ((3, ['t1']), (0, []))
    """
    if not isinstance(sent, Mapping) or sent.get("scope") != scope or not is_count(sent.get("turn")):
        return 0, []
    broken = sent.get("broken")
    if not isinstance(broken, list):
        broken = []
    return sent["turn"], [task for task in broken[:_MOST] if isinstance(task, str) and len(task) <= _LONGEST]
