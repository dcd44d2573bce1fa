"""How many labels are decided: it counts what the browser decides without the page; a click opens the pictures."""

from collections.abc import Callable

from typing_extensions import TypedDict

from avhcurate.ui.components.mount import mount

KEY = "strip.counts"
_HTML = '<button class="counts" type="button" aria-haspopup="dialog" title="Before and after, in pictures"></button>'


class StripData(TypedDict):
    """What the script reads: how many images of a `dataset` are relabelled, excluded and kept, up to an `entry`."""

    dataset: str
    entry: int
    counts: tuple[int, int, int]


def decided_counts(data: StripData, *, on_open: Callable[[], None]) -> None:
    """Draw the counts; `on_open` is called when they are clicked, after which their state has `open`."""
    mount(__file__, _HTML, key=KEY, data=data, on_open_change=on_open)
