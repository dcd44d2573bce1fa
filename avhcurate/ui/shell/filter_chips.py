"""The conditions in force as chips, each with a cross that removes it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import FILTERS, Chip, Filters
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.text import shortened
from avhcurate.ui.components.chips import ChipButton, chip_buttons
from avhcurate.ui.components.facets import FacetEvent

#: The most characters of a chip.
_LONGEST = 60
#: Filters of several conditions, each of which has a chip.
_SEVERAL = ("ranges", "values", "dates", "tags", "sets")


def show_chips(page: Opened) -> None:
    """Draw a chip for each condition that narrows the samples; they all hold at once."""
    filters = page.view.filters
    chips = [_button(field, getattr(filters, field), chip) for field, chip in chips_of(page.table, filters)]
    chip_buttons(chips, key="chips", on_remove=partial(_remove, page.table))


def chips_of(table: DatasetTable, filters: Filters) -> Iterator[tuple[str, Chip]]:
    """Yield the chips of each filter that is set, with its field."""
    for field, entry in FILTERS.items():
        value = getattr(filters, field)
        if value != getattr(Filters(), field):
            for chip in entry.chips(value, table):
                yield field, chip


def key_of(field: str, value: Any, left: Any) -> str:
    """Return the key of a chip: its filter, with the column or value of a condition that stands beside others."""
    if field not in _SEVERAL:
        return field
    gone = next((condition for condition in value if condition not in left), value[0])
    if isinstance(gone, tuple):
        gone = gone[0]
    return f"{field}:{gone}"


def _button(field: str, value: Any, chip: Chip) -> ChipButton:
    text, left = chip
    key = key_of(field, value, left)
    event = FacetEvent(key, "values")
    if field == "ranges":
        event = FacetEvent(key, "range")
    elif field == "tags":  # a facet of which several chips come
        event = FacetEvent(field, "values", list(left))
    return ChipButton(key, shortened(text, _LONGEST), event)


def _remove(table: DatasetTable, key: Any) -> None:
    filters = url_state.current().filters
    for field, (_, left) in chips_of(table, filters):
        if key_of(field, getattr(filters, field), left) == key:
            url_state.change(filters=filters.with_(**{field: left}))
            return
