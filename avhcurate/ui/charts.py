"""Plotly figures on a page, and the id of a point that was clicked."""

from typing import Any

import streamlit as st


def show_chart(figure: Any, *, key: str) -> None:
    """Draw a figure without Plotly's tool bar."""
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


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
    return int(first) if isinstance(first, int | float) and not isinstance(first, bool) and first == first else None
