"""The header of a page: one line with the title, the images in view and the menu Help, and chips of the filters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.datasets.table.filter_kinds import Chip
from avhcurate.datasets.table.filters import FILTERS, Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import SIMULATED, Opened, with_run
from avhcurate.ui.base.layout import help_menu, in_a_row
from avhcurate.ui.base.text import counted, shortened
from avhcurate.ui.components.chips import ChipButton, chip_buttons
from avhcurate.ui.components.facets import FacetEvent

#: The scores of the field that pages name by their letters.
TERMS = {"AVH": "angular visual hardness", "AVC": "angular visual confidence", "HSF": "human selection frequency"}


def open_page(
    title: str,
    story: str,
    needs: Callable[[], Opened] = with_run,
    *,
    votes: bool = True,
    terms: Sequence[str] = ("AVH", "HSF"),
) -> Opened:
    """Draw the header of a page and return its frame, with the menu *Help*, which begins with `story`, and its result.

    `needs` ends a page that lacks something; `terms` are those that the page uses, which its header spells out.
    """
    line, menu = title_line(title, story)
    page = replace(needs(), story=story, help=menu)
    line.caption(" · ".join([in_view(page, votes=votes), *spelt(terms)]))
    show_chips(page)
    return replace(page, result=st.container(key="page.result"))


def title_line(title: str, story: str) -> tuple[Any, Any]:
    """Draw a title and its menu *Help*; return the place between them, and the menu."""
    with in_a_row("center", key="title"):
        st.title(title, width="content", anchor=False)
        line = st.container()
        menu = help_menu("title.help")
    menu.markdown(story)
    return line, menu


def in_view(page: Opened, *, votes: bool = True) -> str:
    """Return how many images match the filters, with the mark of simulated votes."""
    size = counted(page.samples.size, "image")
    text = f"**{page.count:,}** of {size}"
    if page.count == page.samples.size:
        text = f"All {size}"
    if votes and page.samples.simulated:
        text += f" {SIMULATED}"
    return text


def spelt(terms: Sequence[str]) -> list[str]:
    """Return the terms with their names.

    >>> spelt(["AVH"])
    ['AVH: angular visual hardness']
    """
    return [f"{term}: {TERMS[term]}" for term in terms]


# --- chips of the filters --------------------------------------------------------------------------------------------


#: The most characters of a chip.
_LONGEST = 60
#: Filters of several conditions, each of which has a chip.
_SEVERAL = ("ranges", "values", "dates", "tags", "sets")


def show_chips(page: Opened) -> None:
    """Draw a chip for each condition that narrows the samples; they all hold at once."""
    filters = page.view.filters
    chips = [_button(field, getattr(filters, field), chip) for field, chip in chips_of(page.samples, filters)]
    chip_buttons(chips, key="chips", on_remove=partial(_remove, page.samples))


def chips_of(samples: SampleTable, filters: Filters) -> Iterator[tuple[str, Chip]]:
    """Yield the chips of each filter that is set, with its field."""
    for field, entry in FILTERS.items():
        value = getattr(filters, field)
        if value != getattr(Filters(), field):
            for chip in entry.chips(value, samples):
                yield field, chip


def key_of(field: str, value: Any, remaining: Any) -> str:
    """Return the key of a chip: its filter, with the column or value of a condition that stands beside others."""
    if field not in _SEVERAL:
        return field
    removed = next((condition for condition in value if condition not in remaining), value[0])
    if isinstance(removed, tuple):
        removed = removed[0]
    return f"{field}:{removed}"


def _button(field: str, value: Any, chip: Chip) -> ChipButton:
    text, remaining = chip
    key = key_of(field, value, remaining)
    event = FacetEvent(key, "values")
    if field == "ranges":
        event = FacetEvent(key, "range")
    elif field == "tags":  # a facet of which several chips come
        event = FacetEvent(field, "values", list(remaining))
    return ChipButton(key, shortened(text, _LONGEST), event)


def _remove(samples: SampleTable, key: Any) -> None:
    filters = url_state.current().filters
    for field, (_, remaining) in chips_of(samples, filters):
        if key_of(field, getattr(filters, field), remaining) == key:
            url_state.change(filters=filters.with_(**{field: remaining}))
            return
