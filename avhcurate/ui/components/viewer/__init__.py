"""The viewer of the details: one image, or up to four side by side, to zoom, pan and light; keys act on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import mount

#: Images side by side, at most.
MOST = 4
#: The cookie in which a browser remembers where its details lie.
COOKIE = "avhcurate_details"


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
    {_button("alone", "Only this", "Show only this image")}
    {_button("keys", "?", "All keys")}
    {_button("layout", "Beside", "Details beside the page")}
    {_button("close", "×", "Close")}
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
_SCRIPT = commands.SCRIPT + "\n".join(
    (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8") for name in ("camera", "light", "stage")
)


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
    pictures: Sequence[Picture],
    *,
    key: str,
    active: int,
    near: Nearby,
    src: str,
    whole: str,
    panel: bool,
    actions: Mapping[str, Any],
    on_act: Callable[[], None],
    on_shown: Callable[[int], None],
    on_alone: Callable[[int], None],
    on_layout: Callable[[bool], None],
    on_close: Callable[[], None],
) -> None:
    """Draws one picture or several, of which the keys act on that at `active`.

    `src` and `whole` are addresses with {id}, for the images nearby. `actions` are as in `image_grid`, and `on_act`
    finds in the state `act` what to do, and the `id` that it is about. `on_shown` hears the id that a step went to,
    `on_alone` the one to be shown without the others, and `on_layout` whether the details are to be a panel. All are
    called before the page or its fragment runs.
    """

    def told(name: str, does: Callable[[int], None]) -> Callable[[], None]:
        def hear() -> None:
            sent = (st.session_state.get(key) or {}).get(name)
            if isinstance(sent, int) and not isinstance(sent, bool) and sent >= 0:
                does(sent)

        return hear

    mount(
        __file__,
        _HTML,
        script=_SCRIPT,
        style=commands.STYLE,
        key=key,
        data={
            "images": [asdict(picture) for picture in pictures],
            "active": active,
            "near": asdict(near),
            "src": src,
            "whole": whole,
            "panel": panel,
            "cookie": COOKIE,
            "label": "Image viewer",
            "actions": actions,
        },
        on_act_change=on_act,
        on_shown_change=told("shown", on_shown),
        on_alone_change=told("alone", on_alone),
        on_layout_change=lambda: on_layout((st.session_state.get(key) or {}).get("layout") == "panel"),
        on_close_change=on_close,
    )


def remembered_panel() -> bool:
    """Whether the browser remembers that its details lie beside the page."""
    return st.context.cookies.get(COOKIE) == "panel"
