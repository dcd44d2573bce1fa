"""Listens to a chart of samples: shows the thumbnail under the pointer, and reports regions, zooms and clicks.

Of a box or lasso only the outline is sent, however many points lie in it; Streamlit's own selection sends each point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from avhcurate.ui.components import hover
from avhcurate.ui.components.mount import mount
from avhcurate.ui.regions import Region, drawn_region


@dataclass(frozen=True)
class ChartEvent:
    """What the user did on the chart: drew a region, moved the window (left, right, low, high), clicked a sample."""

    region: Region | None = None
    window: tuple[float, float, float, float] | None = None
    clicked: int | None = None


def listen(
    chart: str,
    *,
    key: str,
    thumbnail_url: str,
    classes: Sequence[str],
    groups: Sequence[str] = (),
    value: str = "",
    score: str = "",
    on_event: Callable[[], None],
) -> None:
    """Listens to the Plotly chart with the key `chart`; `on_event` is called before the page runs, see `heard`.

    Points carry (id, label, predicted, score) as custom data, -1 or NaN for none, class weights (-1, class), cells of
    a heat map (id of one sample in it, number of samples, share of the largest group in percent). `thumbnail_url` is
    the address of a thumbnail with {id} in place of the id, `value` the name of a point's or cell's number,
    `score` that of the score, which is shown where no number colours.
    """
    mount(
        __file__,
        hover.MARKUP,
        script=hover.SCRIPT,
        style=hover.STYLE,
        key=key,
        data={
            "chart": chart,
            "thumbnail_url": thumbnail_url,
            "classes": list(classes),
            "groups": list(groups),
            "value": value,
            "score": score,
            "label": "Sample under the pointer",
        },
        on_region_change=on_event,
        on_window_change=on_event,
        on_clicked_change=on_event,
    )


def heard(key: str) -> ChartEvent:
    """The last report of the chart's listener, for its callback."""
    return decode(st.session_state.get(key) or {})


def decode(sent: Mapping[str, Any]) -> ChartEvent:
    """Reads what the browser sent, which may be anything.

    >>> decode({"region": {"box": [{"x": [0, 1], "y": [2, 3]}]}, "window": [0, "a", 1, 2], "clicked": 7})
    ChartEvent(region=Region(x=(0.0, 1.0), y=(2.0, 3.0)), window=None, clicked=7)
    """
    clicked = sent.get("clicked")
    valid = isinstance(clicked, int) and not isinstance(clicked, bool) and clicked >= 0
    return ChartEvent(
        drawn_region({"selection": sent.get("region")}), _window(sent.get("window")), clicked if valid else None
    )


def _window(sent: Any) -> tuple[float, float, float, float] | None:
    try:
        left, right, low, high = (float(value) for value in sent)
    except (TypeError, ValueError):
        return None
    good = all(map(math.isfinite, (left, right, low, high))) and left < right and low < high
    return (left, right, low, high) if good else None
