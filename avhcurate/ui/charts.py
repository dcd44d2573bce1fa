"""Plotly figures in the app's theme. Import this before building a figure: Streamlit's template is set by then."""

from typing import Any

import streamlit as st

# Streamlit loads this module with the first chart; a figure made before it would carry Plotly's own colours.
import streamlit.elements.plotly_chart


def show_chart(figure: Any, *, key: str) -> None:
    """Draws a figure without Plotly's tool bar."""
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})
