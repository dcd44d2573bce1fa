"""What the address says of images: those whose details are open, side by side, and those to be like."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from avhcurate.ui.base import url_state
from avhcurate.ui.base.page_choices import Choice, read_ids, write_ids
from avhcurate.ui.base.url_state import View

#: Images that others are compared with, at most.
_MOST_LIKE = 20
#: Images side by side, at most.
_MOST_TOGETHER = 4
#: The ids side by side; they do not count while the image that is open is none of them.
TOGETHER: Choice[tuple[int, ...]] = Choice(
    "details.together", (), lambda text: read_ids(text, most=_MOST_TOGETHER), write_ids
)
#: The ids to be like; none for the order of a column.
LIKE: Choice[tuple[int, ...]] = Choice("gallery.like", (), partial(read_ids, most=_MOST_LIKE), write_ids)


def open_sample(id: int | None) -> None:
    """Put a sample into the address, so that its details open with the next run; None closes them."""
    view = url_state.current()
    together = TOGETHER.asked()
    if id not in together:
        together = ()
    url_state.write(replace(view, sample=id).choosing(TOGETHER.name, write_ids(together)))


def open_side_by_side(ids: Sequence[int]) -> None:
    """Open the first of some samples with the next three next to it. For a widget's callback."""
    if ids:
        view = replace(url_state.current(), sample=ids[0])
        url_state.write(view.choosing(TOGETHER.name, write_ids(ids[:_MOST_TOGETHER])))


def side_by_side(view: View) -> tuple[int, ...]:
    """Return the samples to show: that of the view, or several of which it is one."""
    together = TOGETHER.asked()
    if view.sample in together:
        return together
    return tuple(id for id in [view.sample] if id is not None)


def more_like(ids: Sequence[int]) -> None:
    """Order the gallery by likeness to these samples; without any by a score. For a widget's callback."""
    url_state.change(row=1, sample=None)
    LIKE.put(tuple(ids[:_MOST_LIKE]))
