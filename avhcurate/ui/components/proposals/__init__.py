"""The card of proposals about classes: one at a time, decided by one key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from avhcurate.ui.components.mount import mount
from avhcurate.ui.components.task import TaskData

_HTML = """
<section class="proposals" tabindex="-1" aria-label="Proposals">
  <h2 class="text"></h2>
  <div class="actions">
    <button data-do="merge" type="button"><kbd>M</kbd> Merge</button>
    <button data-do="split" type="button"><kbd>S</kbd> Split</button>
    <button data-do="back" type="button"><kbd>B</kbd> Back</button>
    <button data-do="next" type="button"><kbd>N</kbd> Next</button>
    <button data-do="undo" type="button"><kbd>Z</kbd> Undo</button>
    <span class="place"></span><span class="status" role="status"></span>
  </div>
</section>
"""


@dataclass(frozen=True)
class Proposal:
    """What is known of two classes that may be one, or of the `first` that may be two."""

    text: str
    first: str
    second: str = ""


@dataclass(frozen=True)
class Undoable:
    """A change of classes that stands: its number, it in words, and the classes of its proposal, "" for none."""

    number: int
    text: str
    first: str = ""
    second: str = ""


class ProposalsData(TaskData):
    """What the script reads: some `proposals` of all `total`, from the place `begin` on, and the `place` of the one
    whose images are drawn below, as the grids `views`.

    `undo`: the changes of classes that may be taken back, newest first. `why`: why nothing may be decided.
    """

    kind: Literal["merge classes", "split class"]
    proposals: Sequence[Proposal]
    begin: int
    place: int
    total: int
    views: Sequence[str]
    undo: Sequence[Undoable]
    why: str


def proposals_card(*, key: str, on_move: Callable[[], None], **data: Any) -> None:
    """Draw the card; `on_move` is called when another proposal is shown or something was decided."""
    mount(__file__, _HTML, key=key, data=data, on_seen_change=on_move)
