"""What the address says of images: the one whose details are open, and those to be like."""

from collections.abc import Sequence

from avhcurate.ui import url_state
from avhcurate.ui.page_choices import Choice, read_ids, write_ids

#: Images that others are compared with, at most.
_MOST_LIKE = 20
#: The ids to be like; none for the order of a column.
LIKE: Choice[tuple[int, ...]] = Choice("gallery.like", (), lambda text: read_ids(text, most=_MOST_LIKE), write_ids)


def open_sample(id: int | None) -> None:
    """Put a sample into the address, so that its details open with the next run; None closes them."""
    url_state.change(sample=id)


def more_like(ids: Sequence[int]) -> None:
    """Order the gallery by likeness to these samples; without any by a score. For a widget's callback."""
    url_state.change(row=1, sample=None)
    LIKE.put(tuple(ids[:_MOST_LIKE]))
