"""Facets: a histogram or a list of values for each of some columns, with counts; bars and values are buttons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import streamlit as st

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


@dataclass(frozen=True)
class FacetEvent:
    """What the user did in the facet `key`: pressed a value, chose a range, looked for a text, or removed the facet."""

    key: str
    kind: Literal["value", "range", "find", "remove"]
    value: int | str | None = None
    on: bool = False
    low: float = -math.inf
    high: float = math.inf
    find: str = ""


def facet_panels(panels: Sequence[Panel], *, key: str, label: str, on_event: Callable[[], None]) -> None:
    """Draw the facets; `on_event` is called before the page runs, see `heard`."""
    data = {"panels": [asdict(panel) for panel in panels], "label": label}
    mount(__file__, _HTML, key=key, data=data, on_event_change=on_event)


def heard(key: str) -> FacetEvent | None:
    """Return the last event of the facets, for their callback."""
    return decode(st.session_state.get(key) or {})


def decode(sent: Mapping[str, Any]) -> FacetEvent | None:
    """Read what the browser sent, which may be anything; None where it makes no sense.

    >>> decode({"event": {"key": "classes", "kind": "value", "value": 3, "on": True}})
    FacetEvent(key='classes', kind='value', value=3, on=True, low=-inf, high=inf, find='')
    """
    event = sent.get("event")
    if not isinstance(event, Mapping) or not isinstance(event.get("key"), str):
        return None
    key, kind = event["key"], event.get("kind")
    if kind == "value" and isinstance(event.get("value"), int | str) and not isinstance(event["value"], bool):
        return FacetEvent(key, "value", value=event["value"], on=event.get("on") is True)
    if kind == "range":
        low, high = _bound(event.get("low"), -math.inf), _bound(event.get("high"), math.inf)
        return FacetEvent(key, "range", low=low, high=high) if low <= high else None
    if kind == "find" and isinstance(event.get("find"), str):
        return FacetEvent(key, "find", find=event["find"][:200].strip())
    return FacetEvent(key, "remove") if kind == "remove" else None


def _bound(sent: Any, otherwise: float) -> float:
    number = isinstance(sent, int | float) and not isinstance(sent, bool) and math.isfinite(sent)
    return float(sent) if number else otherwise
