"""The image grid: one Streamlit element that shows any number of thumbnails, with selection and keyboard.

It draws the rows in sight and asks a route of the app for them (`grid_routes`), so that looking runs no script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from typing_extensions import TypedDict

from avhcurate.ui.components import commands, why
from avhcurate.ui.components.mount import is_count, mount, nothing, told

#: Rows that come with the page itself; the browser asks for the others in windows of as many.
FIRST = 60

#: Sorted, disjoint ranges of places: (first, one behind the last).
Ranges = tuple[tuple[int, int], ...]
#: As high as its rows, as a part of the window, as what is left of it, or in pixels.
Height = Literal["all", "part", "window"] | int

HTML = f"""
<div class="image-grid">
  <div class="head" hidden>
    <span class="place"></span>
    <form class="jump" autocomplete="off">
      <label>Go to image <input name="to" size="6" title="Its place in this order, as 1,200"></label>
    </form>
    <div class="look" role="group" aria-label="Tiles">
      <button type="button" aria-pressed="false" title="Pictures fill their tiles, and lose their edges">Fill</button>
      <label>Size <input type="range" min="72" max="360" step="4"></label>
    </div>
  </div>
  <div class="pane">
    <div class="scroller"><div class="sizer"></div><div class="board" role="grid"></div></div>
    <div class="box" hidden></div>
    {commands.MARKUP}
  </div>
  {why.MARKUP}
  <div class="bar" role="toolbar" aria-label="Actions on the selection" hidden></div>
  <p class="hint" hidden><span class="opens"><kbd>click</kbd> open · <kbd>enter</kbd> open · <kbd>ctrl</kbd> or
  corner select · </span><kbd>shift</kbd> range · <kbd>drag</kbd> box · <kbd>arrows</kbd> move ·
  <kbd>space</kbd> toggle · <kbd>ctrl A</kbd> all · <kbd>esc</kbd> clear<span class="more"> · <kbd>T</kbd> tag ·
  <kbd>L</kbd> label · <kbd>X</kbd> exclude · <kbd>U</kbd> undo · <kbd>?</kbd> all keys</span></p>
</div>
"""


@dataclass(frozen=True)
class Tile:
    """One thumbnail and the few words under it; every text is shown as text, never as HTML.

    `title` is the label; `predicted` follows it where it is another. Of a score with a `percentile` (0 to 100) that is
    drawn, and the number in `alt` shows on hover. `sub` is a line of its own, which stands out if it `differs`.

    """

    id: int
    src: str
    title: str
    predicted: str = ""
    score: str = ""
    percentile: int | None = None
    sub: str = ""
    note: str = ""
    badges: tuple[str, ...] = ()
    differs: bool = False
    muted: bool = False
    alt: str = ""


@dataclass(frozen=True)
class Group:
    """The next `count` tiles, which share rows of their own below a title; actions that the group `lacks`.

    `asks`: what the button of an action asks once before it acts.
    """

    title: str
    count: int
    lacks: tuple[str, ...] = ()
    asks: Mapping[str, str] = field(default_factory=dict)


class GridData(TypedDict):
    """What the script reads: the first of `count` tiles, of which it asks for the rest below the address `source`.

    While `view` stays the same, so do rows and their places; while `about` does, the selected samples; with another
    `order` the grid starts at its top. It opens at the place `start`, and goes there whenever that changes. `open`:
    details are shown, and focus returns when they are closed; where there are none, None, a click selects.
    `groups` are of all tiles, or none. `why`: the server says why an image is hard. `selectable`: the browser keeps a
    selection, and `actions` allows acting on it, by keys and by the buttons of a bar.
    """

    tiles: Sequence[Tile]
    count: int
    groups: Sequence[Group]
    source: str
    view: str
    about: str
    order: str
    start: int
    size: int
    label: str
    height: Height
    selectable: bool
    hint: bool
    open: bool | None
    why: bool
    actions: commands.Actions | None


def image_grid(
    tiles: Sequence[Tile],
    *,
    key: str,
    on_open: Callable[[int], None] = lambda id: None,
    on_act: Callable[[], None] = nothing,
    on_size: Callable[[int], None] = lambda size: None,
    **view: Any,
) -> None:
    """Draw all tiles, or the first of `count`.

    `on_open` gets the id of a tile that was opened, and `on_act` finds in the state `act` what to do with which places
    (see `decode_selection`); `on_size` gets the size of the tiles that the slider was moved to. All are called before
    the page runs. `view` goes to `grid_data`.
    """
    acts = {"on_lost_change": nothing, "on_act_change": on_act}
    acts |= {"on_opened_change": told(key, "opened", on_open), "on_size_change": told(key, "size", on_size)}
    mount(__file__, HTML, style=commands.STYLE + why.STYLE, key=key, data=grid_data(tiles, **view), **acts)


def grid_data(
    tiles: Sequence[Tile],
    *,
    label: str = "Images",
    tile_size: int = 140,
    height: Height = "all",
    **view: Any,
) -> dict[str, Any]:
    """Return what the script reads of these tiles, the first or all; `view` is the rest of `GridData`."""
    data = {"count": len(tiles), "source": "", "view": ",".join(str(tile.id) for tile in tiles), "about": ""}
    data |= {"groups": (), "order": "", "start": 0, "selectable": False, "hint": False, "open": False, "why": False}
    data |= {"actions": None} | view
    return data | {"tiles": list(map(payload, tiles)), "size": tile_size, "label": label, "height": height}


def decode_selection(sent: Any) -> tuple[str, Ranges]:
    """Return the view and the ranges of places in what the browser sent, which may be anything.

    >>> decode_selection({"view": "a", "ranges": [[5, 7], [0, 2], [6, 9], ["x", 1]]})
    ('a', ((0, 2), (5, 9)))
    >>> decode_selection(7)
    ('', ())
    """
    if not isinstance(sent, Mapping) or not isinstance(sent.get("view"), str):
        return "", ()
    spans = sent.get("ranges")
    if not isinstance(spans, list | tuple):
        return "", ()
    ranges: list[tuple[int, int]] = []
    for start, stop in sorted(tuple(span) for span in spans if _is_span(span)):
        if ranges and start <= ranges[-1][1]:
            start = ranges[-1][0]
            stop = max(stop, ranges.pop()[1])
        ranges.append((start, stop))
    return sent["view"], tuple(ranges)


def payload(tile: Tile) -> dict[str, Any]:
    """Return a tile as the browser reads it."""
    return vars(tile) | {"alt": tile.alt or f"{tile.title}, image {tile.id}"}


def _is_span(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_count, value)) and value[0] < value[1]
