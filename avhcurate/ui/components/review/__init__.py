"""The review card: one suspect with its evidence, decided by one key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import is_count
from avhcurate.ui.components.task import TaskData, mount_task

_HTML = f"""
<section class="review" tabindex="-1" aria-label="Review suspects">
  <div class="body">
    <div class="left"><div class="stage"><p class="wait"></p></div><p class="labels"></p></div>
    <div class="right"><p class="lead"></p><table class="evidence" aria-label="Evidence"><tbody></tbody></table>
      <p class="facts"></p><div class="near"></div></div>
  </div>
  <div class="bar">
    <div class="actions">
      <button class="do" data-do="accept" type="button"><kbd>A</kbd><span></span></button>
      <span class="others"></span>
      <button class="do" data-do="keep" type="button"><kbd>K</kbd><span></span></button>
      <button class="do" data-do="ask" type="button"><kbd>P</kbd><span>Ask three people</span></button>
      <button class="do" data-do="skip" type="button"><kbd>S</kbd><span>Skip</span></button>
      <button class="do" data-do="undo" type="button"><kbd>⌫</kbd><span>Undo</span></button>
    </div>
    <div class="top"><button class="step" data-by="-1" type="button" aria-label="Previous">‹</button>
      <span class="place"></span><button class="step" data-by="1" type="button" aria-label="Next">›</button>
      <span class="undecided"></span>
      <span class="state" role="status"></span>
      <span class="tally"></span>
      <span class="quiet hints"><kbd>T</kbd> tag · <kbd>L</kbd> label · <kbd>X</kbd> exclude · <kbd>?</kbd> keys</span>
    </div>
  </div>
  {commands.MARKUP}
</section>
"""


@dataclass(frozen=True)
class Row:
    """The evidence of one source: its name, its label, a sentence, and whether it doubts the given label."""

    source: str
    label: str
    text: str
    doubts: bool


@dataclass(frozen=True)
class Strip:
    """Images next to the suspect: the nearest samples of a label."""

    title: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class NamedClass:
    """A class that somebody or something names for a suspect: its index and its name."""

    label: int
    name: str


@dataclass(frozen=True)
class Suspect:
    """A suspect as the card shows it; every text is shown as text, never as HTML.

    `choices` are the classes that are named, each with a button, those of most evidence first; `suggested` is the index
    of the first where it is suggested, else -1. `state` is "", "accepted" or "kept". `asked`:
    people are asked about it.
    """

    id: int
    place: int
    choices: tuple[NamedClass, ...]
    suggested: int
    src: str
    name: str
    given: str
    lead: str
    facts: str
    rows: tuple[Row, ...]
    strips: tuple[Strip, ...]
    state: str = ""
    tags: tuple[str, ...] = ()
    excluded: bool = False
    asked: bool = False


class ReviewData(TaskData):
    """What the script reads: a stretch of a `queue` of `total` suspects, and where a new one begins.

    `left` of them are to be decided. `of` is the list for decisions. `tally` says how many of the last ones found a
    wrong label.
    """

    suspects: Sequence[Suspect]
    queue: str
    of: str
    place: int
    total: int
    left: int
    tally: str
    least_ms: int
    actions: commands.Actions


def review_card(suspects: Sequence[Suspect], **data: Any) -> None:
    """Draw the card with suspects, see `ReviewData`.

    With the next run the component's state has `at`, the place that the browser is at: see `read_place`.
    """
    mount_task(__file__, _HTML, state="at", acts=True, suspects=suspects, **data)


def read_place(sent: Any, queue: str) -> tuple[int, int] | None:
    """Return the place of the queue that is wanted and the number of the request; None for another queue or nonsense.

    >>> read_place({"queue": "q", "place": 40, "turn": 2}, "q"), read_place({"queue": "p", "place": 40}, "q")
    ((40, 2), None)
    """
    if not isinstance(sent, dict) or sent.get("queue") != queue:
        return None
    position = sent.get("place")
    turn = sent.get("turn")
    if not is_count(position) or not is_count(turn):
        return None
    return position, turn
