"""The conditions in force as chips, each with a cross that removes it."""

from collections.abc import Iterator
from typing import Any

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import FILTERS, Chip, Filters
from avhcurate.ui import url_state
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import in_a_row
from avhcurate.ui.text import shortened
from avhcurate.ui.user_errors import plain

#: The most characters of a chip.
_LONGEST = 60


def show_chips(page: Opened) -> None:
    """Draw a chip for each condition that narrows the samples; they all hold at once."""
    chips = list(chips_of(page.table, page.filters))
    if not chips:
        return
    with in_a_row("top", gap="xsmall", key="chips"):
        for number, (field, (text, left)) in enumerate(chips):
            st.button(
                plain(shortened(text, _LONGEST)),
                icon=":material/close:",
                icon_position="right",
                key=f"chip.{number}",
                help="Remove this filter.",
                on_click=_remove,
                args=(field, left),
            )


def chips_of(table: DatasetTable, filters: Filters) -> Iterator[tuple[str, Chip]]:
    """Yield the chips of each filter that is set, with its field."""
    for field, entry in FILTERS.items():
        value = getattr(filters, field)
        if value != getattr(Filters(), field):
            for chip in entry.chips(value, table):
                yield field, chip


def _remove(field: str, left: Any) -> None:
    url_state.change(filters=url_state.current().filters.with_(**{field: left}))
