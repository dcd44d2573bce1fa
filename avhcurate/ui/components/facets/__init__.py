"""Facets: a histogram or a list of values for each of some columns, with counts; bars and values are buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import streamlit as st
from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as checked

from avhcurate.ui.components.mount import mount

_HTML = '<div class="facets"></div>'


@dataclass(frozen=True)
class Bar:
    """One button: `samples` of all have it, `matching` of those that match; `on` when it is chosen.

    `value` comes back when it is pressed. A bar of a histogram has its ends instead, None for an open one.
    """

    text: str
    samples: int
    matching: int
    value: int | str | None = None
    on: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """One facet: `rows` of values, `columns` of a few ordered values, or a `range` of numbers.

    `ends` are those of the numbers, `chosen` those of the chosen range, None for an open one. `more` values are not
    listed and can be found by a text, `find`.
    """

    key: str
    title: str
    shape: Literal["rows", "columns", "range"]
    bars: tuple[Bar, ...]
    help: str = ""
    ends: tuple[float, float] | None = None
    chosen: tuple[float | None, float | None] = (None, None)
    more: int = 0
    find: str = ""
    removable: bool = False


@checked(config=ConfigDict(strict=True), frozen=True)
class FacetEvent:
    """What the user did in the facet `key`: pressed a value, chose a range, looked for a text, or removed the facet."""

    key: str
    kind: Literal["value", "range", "find", "remove"]
    value: int | str | None = None
    on: bool = False
    low: float | None = None
    high: float | None = None
    find: Annotated[str, Field(max_length=200)] = ""


def facet_panels(panels: Sequence[Panel], *, key: str, label: str, on_event: Callable[[FacetEvent], None]) -> None:
    """Draw the facets; `on_event` gets what the user does, before the page runs."""

    def heard() -> None:
        if event := decode(st.session_state.get(key) or {}):
            on_event(event)

    data = {"panels": panels, "label": label}
    mount(__file__, _HTML, key=key, data=data, on_event_change=heard)


def decode(sent: Mapping[str, Any]) -> FacetEvent | None:
    """Read what the browser sent, which may be anything; None if it makes no sense.

    >>> decode({"event": {"key": "classes", "kind": "value", "value": 3, "on": True}})
    FacetEvent(key='classes', kind='value', value=3, on=True, low=None, high=None, find='')
    """
    try:
        found = FacetEvent(**sent["event"])
    except (KeyError, TypeError, ValidationError):
        return None
    if found.low is not None and found.high is not None and found.low > found.high:
        return None
    return found
