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

#: The most characters of a chip.
_LONGEST = 60


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


def _button(field: str, value: Any, chip: Chip) -> ChipButton:
    text, left = chip
    if field in ("ranges", "values", "dates"):
        gone = next((one for one in value if one not in left), value[0])
        field = f"{field}:{gone[0]}"
        left = ()
    nothing = {"kind": "values", "values": left}
    if field.startswith("ranges:"):
        nothing = {"kind": "range", "low": None, "high": None}
    return ChipButton(field, shortened(text, _LONGEST), nothing)


def _remove(table: DatasetTable, text: Any) -> None:
    filters = url_state.current().filters
    for field, (said, left) in chips_of(table, filters):
        if shortened(said, _LONGEST) == text:
            url_state.change(filters=filters.with_(**{field: left}))
            return
