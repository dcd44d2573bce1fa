"""The image grid: one Streamlit element for a whole page of thumbnails, with selection and keyboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from avhcurate.ui.components.mount import mount, nothing

_HTML = """
<div class="board" role="grid"></div>
<p class="hint"><kbd>click</kbd> select · <kbd>shift</kbd> range · <kbd>ctrl</kbd> add · <kbd>arrows</kbd> move ·
<kbd>space</kbd> toggle · <kbd>enter</kbd> or double-click open · <kbd>ctrl A</kbd> page · <kbd>esc</kbd> clear</p>
"""


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


@dataclass(frozen=True)
class GridEvent:
    """What the user did in the grid: the selected ids in the order chosen, and the id just opened."""

    selected: tuple[int, ...] = ()
    opened: int | None = None


def image_grid(
    tiles: Sequence[Tile],
    *,
    key: str,
    tile_size: int = 140,
    selected: Iterable[int] = (),
    scope: str = "",
    view: str = "",
    selectable: bool = True,
    hint: bool = True,
    label: str = "Images",
) -> GridEvent:
    """Draw the tiles and return the selection.

    The browser owns the selection while `scope` stays the same, over pages too; a new `scope` replaces it by
    `selected`. A new `view` (the page's number, say) scrolls back to the grid's top. With `selectable=False` a
    click opens.
    """
    before = _decode_selection(st.session_state.get(f"{key}:last"), scope, tuple(selected))
    result = mount(
        __file__,
        _HTML,
        key=key,
        data={
            "tiles": [_payload(tile) for tile in tiles],
            "size": tile_size,
            "scope": scope,
            "selected": list(before),
            "view": view,
            "selectable": selectable,
            "hint": hint and selectable,
            "label": label,
        },
        on_selection_change=nothing,
        on_opened_change=nothing,
    )
    event = decode(result, scope=scope, selected=before)
    st.session_state[f"{key}:last"] = {"scope": scope, "ids": list(event.selected)}
    return event


def decode(result: Mapping[str, Any], *, scope: str = "", selected: Sequence[int] = ()) -> GridEvent:
    """Read what the browser sent, which may be anything; a selection made in another scope does not count.

    >>> decode({"selection": {"scope": "a", "ids": [3, 1, 3, "x"]}, "opened": 7}, scope="a")
    GridEvent(selected=(3, 1), opened=7)
    >>> decode({"selection": {"scope": "a", "ids": [3]}}, scope="b", selected=[5])
    GridEvent(selected=(5,), opened=None)
    """
    opened = result.get("opened")
    return GridEvent(
        selected=_decode_selection(result.get("selection"), scope, tuple(selected)),
        opened=opened if _is_id(opened) else None,
    )


def _decode_selection(sent: Any, scope: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    if not isinstance(sent, Mapping) or sent.get("scope") != scope or not isinstance(sent.get("ids"), Sequence):
        return otherwise
    return tuple(dict.fromkeys(value for value in sent["ids"] if _is_id(value)))


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _payload(tile: Tile) -> dict[str, Any]:
    return asdict(tile) | {"alt": tile.alt or f"{tile.title}, image {tile.id}"}
