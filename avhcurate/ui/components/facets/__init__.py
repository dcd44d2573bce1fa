"""Facets: a histogram or a list of values for each of some columns, with counts; bars and values are buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as checked
from typing_extensions import TypedDict

from avhcurate.ui.components.mount import handled, mount, new_acts

_HTML = '<div class="facets"></div>'

Value = int | str | None


@dataclass(frozen=True)
class Bar:
    """One button: `samples` of all have it, `matching` of those that match.

    `value` is what it chooses. A bar of a histogram has its ends instead, None for an open one.
    """

    text: str
    samples: int
    matching: int
    value: Value = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """One facet: `rows` of values, `columns` of a few ordered values, or a `range` of numbers.

    `chosen` are the chosen values; of a range its two ends, None for an open one. `ends` are those of the numbers.
    `more` values are not listed and can be found by a text, `find`.
    """

    key: str
    title: str
    shape: Literal["rows", "columns", "range"]
    bars: tuple[Bar, ...]
    chosen: tuple[Any, ...]
    help: str = ""
    ends: tuple[float, float] | None = None
    more: int = 0
    find: str = ""
    removable: bool = False


class FacetsData(TypedDict):
    """What the script reads; `handled` is the number of the newest act that was done."""

    panels: Sequence[Panel]
    label: str
    handled: int


@checked(config=ConfigDict(strict=True), frozen=True)
class FacetEvent:
    """What the facet `key` is to be: its chosen `values`, its range, the text to find, or that it goes."""

    key: str
    kind: Literal["values", "range", "find", "remove"]
    values: Annotated[list[Value], Field(max_length=10_000)] = Field(default_factory=list)
    low: float | None = None
    high: float | None = None
    find: Annotated[str, Field(max_length=200)] = ""


def facet_panels(panels: Sequence[Panel], *, key: str, label: str, on_event: Callable[[FacetEvent], None]) -> None:
    """Draw the facets; `on_event` gets what the user does, before the page runs."""

    def heard() -> None:
        for act in new_acts(key):
            if event := decode(act):
                on_event(event)

    data = FacetsData(panels=panels, label=label, handled=handled(key))
    mount(__file__, _HTML, key=key, data=data, on_act_change=heard)


def decode(act: Mapping[str, Any]) -> FacetEvent | None:
    """Read what the browser sent, which may be anything; None if it makes no sense.

    >>> decode({"key": "classes", "kind": "values", "values": [3], "at": 1})
    FacetEvent(key='classes', kind='values', values=[3], low=None, high=None, find='')
    """
    try:
        event = FacetEvent(**{name: value for name, value in act.items() if name != "at"})
    except (TypeError, ValidationError):
        return None
    if event.low is not None and event.high is not None and event.low > event.high:
        return None
    return event
