"""Filters by the user's own columns: which of them are in use, and the days of dates; the others have a facet each."""

import datetime
import math
from typing import Any

import streamlit as st

from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui import url_state
from avhcurate.ui.frame import mirrored
from avhcurate.ui.text import shortened
from avhcurate.ui.user_errors import plain

#: Fields of `Filters` by the kind of a column.
_FIELDS = {"number": "ranges", "date": "dates", "text": "values", "yes or no": "values"}


def choose_columns(table: DatasetTable, filters: Filters) -> None:
    """The columns to filter by, each of which gets a facet, or days."""
    used = [item[0] for item in own_items(table, filters)]
    options = list(dict.fromkeys([*filterable(table), *used]))
    if not options:
        return
    st.multiselect(
        "Your columns",
        options,
        format_func=lambda name: shortened(name, 60),
        placeholder="Any",
        key=mirrored("filter.columns", used),
        on_change=_set_columns,
        args=(table,),
        help="Columns of your table: numbers, dates, and texts of few values.",
    )


def choose_days(table: DatasetTable, filters: Filters) -> None:
    """The first and the last day of each column of dates in use."""
    for name, first, last in filters.dates:
        held = table.summaries[name]
        if not isinstance(held.low, datetime.date) or not isinstance(held.high, datetime.date):
            st.caption(f"{plain(shortened(name, 60))} has no date")
            continue
        with st.container(horizontal=True, gap="small"):
            for end, day in (("from", first), ("to", last)):
                key = f"filter.date.{end}.{name}"
                st.date_input(
                    f"{plain(shortened(name, 40))} {end}",
                    min_value=held.low,
                    max_value=held.high,
                    format="YYYY-MM-DD",
                    width=140,
                    key=mirrored(key, _within(day, held.low, held.high)),
                    on_change=_set_day,
                    args=(name, end == "to", key),
                )


def filterable(table: DatasetTable) -> list[str]:
    """The user's columns that can be filtered by, in their order."""
    offered = {*table.own("number", "date"), *table.groups}
    return [name for name in table.user_columns if name in offered]


def own_items(table: DatasetTable, filters: Filters) -> list[tuple[Any, ...]]:
    """The conditions on columns of the user's: a name, then values or ends."""
    return [
        item for field in ("values", "ranges", "dates") for item in getattr(filters, field) if item[0] in table.kinds
    ]


def _within(day: str, low: datetime.date, high: datetime.date) -> datetime.date | None:
    return min(max(datetime.date.fromisoformat(day), low), high) if day else None


# --- callbacks -----------------------------------------------------------------------------------------------


def _set_columns(table: DatasetTable) -> None:
    """Adds conditions that hold for all to the columns now chosen, and takes out those of the others."""
    filters, chosen = url_state.current().filters, list(st.session_state["filter.columns"])
    new: dict[str, Any] = {"ranges": (-math.inf, math.inf), "dates": ("", ""), "values": ()}
    changes = {}
    for field, start in new.items():
        kept = [item for item in getattr(filters, field) if item[0] not in table.kinds or item[0] in chosen]
        there = {item[0] for item in kept}
        wanted = [name for name in chosen if _FIELDS[table.kinds[name]] == field and name not in there]
        changes[field] = (*kept, *((name, *start) for name in wanted))
    url_state.change(filters=filters.with_(**changes))


def _set_day(name: str, last: bool, key: str) -> None:
    day: datetime.date | None = st.session_state[key]
    _, *ends = {item[0]: item for item in url_state.current().filters.dates}[name]
    ends[last] = day.isoformat() if day else ""
    _replace("dates", (name, *ends))


def _replace(field: str, new: tuple[Any, ...]) -> None:
    """Puts the condition on one column in place of that before."""
    filters = url_state.current().filters
    items = tuple(new if item[0] == new[0] else item for item in getattr(filters, field))
    url_state.change(filters=filters.with_(**{field: items}))
