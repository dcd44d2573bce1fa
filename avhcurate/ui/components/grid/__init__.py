"""The image grid: one Streamlit element that shows any number of thumbnails, with selection and keyboard.

It draws the rows in sight and asks a route of the app for them (`grid_routes`), so that looking runs no script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

import streamlit as st

from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import mount, nothing

#: Rows that come with the page itself; the browser asks for the others in windows of as many.
FIRST = 60

#: Sorted, disjoint ranges of places: (first, one behind the last).
Ranges = tuple[tuple[int, int], ...]

_HTML = f"""
<div class="image-grid">
  <div class="head" hidden>
    <span class="place"></span>
    <form class="jump" autocomplete="off">
      <label>Go to <input name="to" size="12"></label>
    </form>
  </div>
  <div class="pane">
    <div class="scroller"><div class="sizer"></div><div class="board" role="grid"></div></div>
    <div class="box" hidden></div>
    {commands.MARKUP}
  </div>
  <div class="bar" role="toolbar" aria-label="Actions on the selection" hidden></div>
  <p class="hint" hidden><kbd>click</kbd> open · <kbd>ctrl</kbd> or corner select · <kbd>shift</kbd> range ·
  <kbd>drag</kbd> box · <kbd>arrows</kbd> move · <kbd>space</kbd> toggle · <kbd>enter</kbd> open ·
  <kbd>ctrl A</kbd> all · <kbd>esc</kbd> clear<span class="more"> · <kbd>T</kbd> tag · <kbd>L</kbd> label ·
  <kbd>X</kbd> exclude · <kbd>U</kbd> undo · <kbd>?</kbd> all keys</span></p>
</div>
"""
_SCRIPT = commands.SCRIPT + "\n".join(
    (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")
    for name in ("ranges", "selection", "layout", "rows", "tile", "bar", "scroller", "box", "keys", "details")
)


@dataclass(frozen=True)
class Tile:
    """One thumbnail and the few words under it; every text is shown as text, never as HTML.

    Neighbours of the same `group` share rows of their own below its name; "" for tiles in no group.
    """

    id: int
    src: str
    title: str
    score: str = ""
    sub: str = ""
    note: str = ""
    badges: tuple[str, ...] = ()
    differs: bool = False
    muted: bool = False
    alt: str = ""
    group: str = ""


def image_grid(
    tiles: Sequence[Tile],
    *,
    key: str,
    count: int | None = None,
    source: str = "",
    view: str = "",
    about: str = "",
    order: str = "",
    value: str = "",
    start: int = 0,
    tile_size: int = 140,
    selectable: bool = False,
    hint: bool = False,
    open: bool = False,
    label: str = "Images",
    height: Literal["all", "part", "window"] = "all",
    on_open: Callable[[int], None] | None = None,
    actions: Mapping[str, Any] | None = None,
    on_act: Callable[[], None] = nothing,
) -> int | None:
    """Draw tiles; returns the id just opened, where `on_open`, which is called before the page runs, is not given.

    All of them, or the first of `count`, of which the browser asks for the rest below the address `source`. While
    `view` stays the same so do rows and their places; while `about` does, the samples selected and the tiles drawn;
    with another `order` the grid starts at its top. It opens at the place `start`, and goes there whenever that
    changes. `value` names the number that the rows are sorted by. `open`: details are shown, and focus returns when
    they are closed. The selection stays in the browser. `actions` allows acting on it, by keys and by the buttons of a
    bar (see `grid_keys.actions_data`): `on_act` is called before the page runs, and finds what to do, and to which
    places (see `decode_selection`), in the state `act`. The grid is as high as its rows, at most a part of the window
    or what is left of it.
    """
    result = mount(
        __file__,
        _HTML,
        script=_SCRIPT,
        style=commands.STYLE,
        key=key,
        data={
            "tiles": [payload(tile) for tile in tiles],
            "count": len(tiles) if count is None else count,
            "source": source,
            "view": view or ",".join(str(tile.id) for tile in tiles),
            "about": about,
            "order": order,
            "value": value,
            "start": start,
            "size": tile_size,
            "selectable": selectable,
            "hint": hint and selectable,
            "open": open,
            "label": label,
            "height": height,
            "actions": actions,
        },
        on_lost_change=nothing,
        on_act_change=on_act,
        on_opened_change=nothing if on_open is None else lambda: _open(key, on_open),
    )
    opened = result.get("opened")
    return opened if on_open is None and _is_place(opened) else None


def _open(key: str, on_open: Callable[[int], None]) -> None:
    opened = (st.session_state.get(key) or {}).get("opened")
    if _is_place(opened):
        on_open(opened)


def decode_selection(sent: Any) -> tuple[str, Ranges] | None:
    """The view and the ranges of places in what the browser sent, which may be anything; None for anything else.

    >>> decode_selection({"view": "a", "ranges": [[5, 7], [0, 2], [6, 9], ["x", 1]]})
    ('a', ((0, 2), (5, 9)))
    """
    if not isinstance(sent, Mapping) or not isinstance(sent.get("view"), str):
        return None
    ranges = sent.get("ranges")
    if not isinstance(ranges, Sequence) or isinstance(ranges, str):
        return None
    return sent["view"], joined(span for span in ranges if _is_span(span))


def joined(spans: Any) -> Ranges:
    """Spans of places as sorted, disjoint ranges.

    >>> joined([(3, 5), (0, 1), (4, 6), (6, 7)])
    ((0, 1), (3, 7))
    """
    ranges: list[tuple[int, int]] = []
    for start, stop in sorted(map(tuple, spans)):
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(stop, ranges[-1][1])
        else:
            ranges.append((start, stop))
    return tuple(ranges)


def payload(tile: Tile) -> dict[str, Any]:
    """A tile as the browser reads it."""
    return vars(tile) | {"alt": tile.alt or f"{tile.title}, image {tile.id}"}


def _is_span(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(map(_is_place, value)) and value[0] < value[1]


def _is_place(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
