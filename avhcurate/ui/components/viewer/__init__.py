"""The viewer of the details: an image to zoom, pan and light; keys act on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import is_count, mount, read_files


def _button(does: str, text: str, about: str, more: str = "") -> str:
    return f'<button type="button" data-do="{does}" title="{about}" aria-label="{about}" {more}>{text}</button>'


def _light(name: str) -> str:
    return f'<label>{name.capitalize()} <input type="range" name="{name}"><output></output></label>'


_HTML = f"""
<section class="viewer" tabindex="0" role="group">
  <div class="tools" role="toolbar" aria-label="Viewer">
    {_button("previous", "‹", "Previous")}
    <span class="place" role="status"></span>
    {_button("next", "›", "Next")}
    <span class="gap"></span>
    {_button("out", "−", "Zoom out")}
    <span class="scale"></span>
    {_button("in", "+", "Zoom in")}
    {_button("fit", "Fit", "Fit into the stage", 'aria-pressed="true"')}
    {_button("one", "1:1", "One pixel of the image on one of the screen", 'aria-pressed="false"')}
    {_button("light", "Light", "Brightness, contrast, gamma", 'aria-expanded="false" aria-controls="viewer-light"')}
    <span class="gap"></span>
    {_button("keys", "?", "All keys")}
  </div>
  <form class="light" id="viewer-light" aria-label="Light" hidden>
    {_light("brightness")}{_light("contrast")}{_light("gamma")}
    <button type="reset">Reset</button>
    <svg width="0" height="0" aria-hidden="true"><filter id="viewer-gamma" color-interpolation-filters="sRGB">
      <feComponentTransfer><feFuncR type="gamma"/><feFuncG type="gamma"/><feFuncB type="gamma"/></feComponentTransfer>
    </filter></svg>
  </form>
  <div class="stages"></div>
  {commands.MARKUP}
</section>
"""
_SCRIPT = commands.SCRIPT + read_files(Path(__file__).parent, ["camera.js", "light.js", "stage.js"])


@dataclass(frozen=True)
class Picture:
    """An image: its address, the address of all its pixels, what it shows in words, and its name below it."""

    id: int
    src: str
    whole: str
    alt: str
    name: str = ""


@dataclass(frozen=True)
class Nearby:
    """The place of the image in an order of `count`, and the ids around it, of which `first` is the first's place.

    An image that has left the order, excluded say, has none: then `next` is the place of the one that followed it.
    """

    view: str = ""
    place: int | None = None
    next: int | None = None
    count: int = 0
    first: int = 0
    ids: tuple[int, ...] = ()


def image_viewer(
    picture: Picture,
    *,
    key: str,
    near: Nearby,
    src: str,
    whole: str,
    actions: Mapping[str, Any],
    on_act: Callable[[], None],
    on_shown: Callable[[int], None],
) -> None:
    """Draw a picture, on which keys act.

    `src` and `whole` are addresses with {id}, for the images nearby. `actions` are as in `image_grid`, and `on_act`
    finds in the state `act` what to do, and the `id` that it is about. `on_shown` gets the id that a step went to.
    Both are called before the page or its fragment runs.
    """

    def shown() -> None:
        sent = (st.session_state.get(key) or {}).get("shown")
        if is_count(sent):
            on_shown(sent)

    data = {"image": picture, "near": near, "src": src, "whole": whole}
    mount(
        __file__,
        _HTML,
        script=_SCRIPT,
        style=commands.STYLE,
        key=key,
        data=data | {"label": "Image viewer", "actions": actions},
        on_act_change=on_act,
        on_shown_change=shown,
    )
