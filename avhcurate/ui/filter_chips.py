"""The conditions in force as chips, each with a cross that takes it out."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import FILTERS, NONE, Filters
from avhcurate.ui import url_state
from avhcurate.ui.frame import Opened
from avhcurate.ui.score_help import score_name, value_text
from avhcurate.ui.text import shortened
from avhcurate.ui.user_errors import plain
from avhcurate.votes.bins import bin_labels

#: Characters of a chip at most.
_LONGEST = 60

#: The text of a condition, and what is left of its filter without it.
Chip = tuple[str, Any]


def show_chips(page: Opened) -> None:
    """A chip for each condition that narrows the samples; they all hold at once."""
    chips = [(field, *chip) for field, chip in chips_of(page.table, page.filters)]
    if not chips:
        return
    with st.container(horizontal=True, gap="xsmall", key="chips"):
        for number, (field, text, left) in enumerate(chips):
            st.button(
                plain(shortened(text, _LONGEST)),
                icon=":material/close:",
                icon_position="right",
                key=f"chip.{number}",
                help="Take this filter out.",
                on_click=_take_out,
                args=(field, left),
            )


def chips_of(table: DatasetTable, filters: Filters) -> Iterator[tuple[str, Chip]]:
    """The chips of each filter that is set, with its field."""
    for field in FILTERS:
        if field in TEXTS and (value := getattr(filters, field)) != getattr(Filters(), field):
            for chip in TEXTS[field](value, table):
                yield field, chip


def _take_out(field: str, left: Any) -> None:
    url_state.change(filters=url_state.current().filters.with_(**{field: left}))


# --- texts ---------------------------------------------------------------------------------------------------


def _any_of(title: str, name: Callable[[Any, DatasetTable], str]) -> Callable[[Any, DatasetTable], list[Chip]]:
    """One chip for values of which a sample has one."""
    return lambda values, table: [(f"{title} {' or '.join(name(value, table) for value in values)}", ())]


def _each(title: str) -> Callable[[Any, DatasetTable], list[Chip]]:
    """A chip for each of the values that a sample must all have."""
    return lambda values, _: [(f"{title} {one}", tuple(other for other in values if other != one)) for one in values]


def _class(value: int, table: DatasetTable) -> str:
    return "none" if value == NONE else table.classes[value]


def _bin(value: int, table: DatasetTable) -> str:
    return "none" if value == NONE else bin_labels(table.edges)[value].strip("[])").replace(", ", "–")


def _ranges(ranges: Any, _: DatasetTable) -> list[Chip]:
    return [
        (text, tuple(other for other in ranges if other is not one))
        for one in ranges
        if (text := _between(score_name(one[0]), *(f"{end:.4g}" if math.isfinite(end) else "" for end in one[1:])))
    ]


def _days(ranges: Any, _: DatasetTable) -> list[Chip]:
    return [(text, tuple(other for other in ranges if other is not one)) for one in ranges if (text := _between(*one))]


def _between(name: str, low: str, high: str) -> str:
    """
    >>> _between("AVH", "0.1", ""), _between("AVH", "0.1", "0.2"), _between("AVH", "", "")
    ('AVH from 0.1', 'AVH 0.1–0.2', '')
    """
    if low and high:
        return f"{name} {low}–{high}"
    return f"{name} from {low}" if low else f"{name} to {high}" if high else ""


def _values(columns: Any, table: DatasetTable) -> list[Chip]:
    return [
        (
            f"{one[0]} {' or '.join(value_text(table.kinds[one[0]], value) for value in one[1:])}",
            tuple(other for other in columns if other is not one),
        )
        for one in columns
        if len(one) > 1
    ]


#: By field of `Filters`, the chips of a value; of ids, chosen by hand, there are none.
TEXTS: dict[str, Callable[[Any, DatasetTable], list[Chip]]] = {
    "hsf_bins": _any_of("HSF", _bin),
    "classes": _any_of("Class", _class),
    "predicted": _any_of("Predicted", _class),
    "splits": _any_of("Split", lambda value, _: value or "none"),
    "tags": _each("Tag"),
    "sets": _each("Set"),
    "ranges": _ranges,
    "values": _values,
    "dates": _days,
    "mistakes": lambda _, __: [("The model disagrees", False)],
    "excluded": lambda which, _: [("Only excluded" if which else "Excluded too", False)],
    "where": lambda text, _: [(text, "")],
}
