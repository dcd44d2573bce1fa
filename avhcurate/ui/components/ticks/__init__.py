"""The tick grid: a class and tiles with a check-box each, submitted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from avhcurate.ui.components.task import AnnotatorData, mount_task

_HTML = """
<section class="sheet" aria-label="Tick images">
  <div class="board" role="group" aria-label="Images to tick"></div>
  <div class="foot"><span class="count" aria-live="polite"></span><p class="status" role="status"></p>
    <button class="back" type="button" hidden>Back to the last grid</button>
    <button class="submit" type="button">Submit</button></div>
  <p class="hint"><kbd>click</kbd> or <kbd>space</kbd> tick · <kbd>arrows</kbd> move · <kbd>Z</kbd> look closer ·
    <kbd>enter</kbd> submit</p>
  <div class="peek" hidden><img alt="A closer look"></div>
</section>
"""


@dataclass(frozen=True)
class TickTile:
    """A tile: the sample's id, the address of its thumbnail and of the large image."""

    id: int
    src: str
    large: str


class TicksData(AnnotatorData):
    """What the script reads: `name` is the class, `size` the tiles' in pixels, `ticked` the ids that are ticked."""

    tiles: Sequence[TickTile]
    task: str
    name: str
    size: int
    ticked: Sequence[int]
    can_go_back: bool


def tick_grid(tiles: Sequence[TickTile], **data: Any) -> None:
    """Draw the tiles with a check-box each; the browser owns the ticks while the `task` stays; see `TicksData`."""
    mount_task(__file__, _HTML, card=False, tiles=tiles, **data)
