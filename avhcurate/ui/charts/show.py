"""Plotly figures on a page: a click on a mark opens the images that it counts, or a point's own."""

from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from avhcurate.ui.base import frame, url_state
from avhcurate.ui.base.page_choices import go_to_gallery

#: Session state: the address that the mark just clicked leads to.
CLICKED = "charts.clicked"
_CLICK = "<br><i>Click to see them</i>"


def show_chart(figure: Any, *, key: str) -> None:
    """Draw a figure without Plotly's tool bar; marks that lead to images (`chart_style.leads`) can be clicked."""
    for trace in figure.data:
        if trace.meta:
            text, extra, end = trace.hovertemplate.partition("<extra>")
            trace.hovertemplate = text + _CLICK + extra + end
            figure.update_layout(dragmode=False)
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


def follow_mark() -> None:
    """Open the gallery with the images of a mark that was clicked since the page ran; see marks.js."""
    if address := st.session_state.pop(CLICKED, ""):
        wanted, _ = url_state.parse(dict(parse_qsl(address)))
        go_to_gallery(frame.page().filters.narrowed(wanted.filters), run=wanted.run)


def clicked_id(event: object) -> int | None:
    """Return the id in the custom data of a chart's selection; None for anything else that a browser sends.

    >>> clicked_id({"selection": {"points": [{"customdata": {"0": 7}}]}}), clicked_id({"selection": {"points": []}})
    (7, None)
    """
    try:
        carried = event["selection"]["points"][0]["customdata"]  # type: ignore[index]
        first = carried["0"] if isinstance(carried, dict) else carried[0]
    except (KeyError, IndexError, TypeError):
        return None
    if isinstance(first, int | float) and first == first:
        return int(first)
    return None
