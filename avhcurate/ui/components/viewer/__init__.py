"""The viewer of the details: one image, or up to four side by side, to zoom, pan and light; keys act on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from avhcurate.ui.components import commands
from avhcurate.ui.components.mount import mount, told


def _button(does: str, text: str, title: str, more: str = "") -> str:
    return f'<button type="button" data-do="{does}" title="{title}" aria-label="{title}" {more}>{text}</button>'


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
    {_button("one", "1:1", "1:1, one pixel of the image on one of the screen", 'aria-pressed="false"')}
    {_button("light", "Light", "Light, contrast, gamma", 'aria-expanded="false" aria-controls="viewer-light"')}
    <span class="gap"></span>
    {_button("alone", "Alone", "Only this image", "hidden")}
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
  <div class="decided" role="toolbar" aria-label="Decisions">
    <button type="button" data-do="label" title="Give another label (L)">Label: <span></span></button>
    <button type="button" data-do="restore" title="Give back the first label" hidden>Restore label</button>
    <div class="tags" role="group" aria-label="Tags"></div>
    <button type="button" data-do="tag" title="Add or remove a tag (T)">+ Tag</button>
    <button type="button" data-do="exclude" role="switch" aria-label="Excluded"
      title="Leave the image out, or take it in again (X)">Exclude</button>
  </div>
  {commands.MARKUP}
</section>
"""


@dataclass(frozen=True)
class Picture:
    """An image: its address, the address of all its pixels, what it shows in words, and what is decided of it.

    `title` is its label, `given` the one it had first, and `predicted` the network's; `badges` are its tags; it is
    `muted` if it is excluded.
    """

    id: int
    src: str
    whole: str
    alt: str
    path: str
    title: str
    given: str
    predicted: str
    badges: tuple[str, ...]
    muted: bool


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


class ViewerData(TypedDict):
    """What the script reads: pictures, of which keys act on that at the place `active`, and the images `near`.

    `src` and `whole` are addresses with {id}, for the images `near`. `closed` says why this user may not decide, ""
    where they may.
    """

    images: Sequence[Picture]
    active: int
    near: Nearby
    src: str
    whole: str
    actions: commands.Actions
    closed: str
    label: str


def image_viewer(
    pictures: Sequence[Picture],
    *,
    key: str,
    on_shown: Callable[[int], None],
    on_alone: Callable[[int], None],
    **data: Any,
) -> None:
    """Draw one picture or several side by side; `data` is the rest of `ViewerData`.

    `on_shown` gets the id that a step went to, `on_alone` the one to show without the others. Both are called before
    the page or its fragment runs.
    """
    mount(
        __file__,
        _HTML,
        style=commands.STYLE,
        key=key,
        data=data | {"images": pictures, "label": "Image viewer"},
        on_shown_change=told(key, "shown", on_shown),
        on_alone_change=told(key, "alone", on_alone),
    )
