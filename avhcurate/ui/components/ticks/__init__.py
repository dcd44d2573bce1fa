"""The tick grid: a class and tiles with a check-box each, submitted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from avhcurate.ui.components.outbox import Receipt, mount_task

_HTML = """
<section class="sheet" aria-label="Tick images">
  <p class="banner" role="alert" hidden></p>
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


def tick_grid(
    tiles: Sequence[TickTile],
    *,
    key: str,
    scope: str,
    task: str,
    name: str,
    ticked: Sequence[int],
    receipt: Receipt,
    size: int,
    can_go_back: bool,
    health: str,
) -> None:
    """Draw the tiles, `size` pixels wide, with `ticked` ones ticked; `name` is the class.

    The browser owns the ticks while `task` stays the same.
    """
    mount_task(
        __file__,
        _HTML,
        receipt,
        key=key,
        card=False,
        scope=scope,
        task=task,
        name=name,
        tiles=[asdict(tile) for tile in tiles],
        ticked=list(ticked),
        size=size,
        can_go_back=can_go_back,
        health=health,
    )
