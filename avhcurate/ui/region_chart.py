"""A chart on which users choose a region or a point: the region lives in the address, each selection counts once."""

from dataclasses import replace
from typing import Any

import streamlit as st

from avhcurate.ui import url_state
from avhcurate.ui.charts import clicked_id
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.regions import Region, drawn_region, read_region, write_region

#: Plotly's name of each selection tool, and a hint.
_TOOLS = {
    "Box": ("select", "Draw a box to see the images in it."),
    "Lasso": ("lasso", "Draw a line around points to see their images."),
    "Click": ("pan", "Click a point to open its image."),
}


def region_choice(page: str) -> Choice[Region | None]:
    """The region chosen on a page's chart; None for none."""
    return Choice(f"{page}.region", None, read_region, lambda region: write_region(region) if region else "")


def choose_tool(page: str) -> tuple[str, str]:
    """Asks for the selection tool; returns Plotly's name of it and a hint."""
    return _TOOLS[
        str(st.segmented_control("Select by", list(_TOOLS), default="Box", required=True, key=f"{page}.tool"))
    ]


def clear_button(choice: Choice[Region | None]) -> None:
    """A button that drops the region."""
    page = _page(choice)
    st.button(
        "Clear", icon=":material/close:", type="tertiary", key=f"{page}.clear", on_click=answer, args=(choice, None)
    )


def chart(figure: Any, choice: Choice[Region | None], *, key: str, alt: str) -> int | None:
    """Draws a figure and puts a region drawn on it into the address; returns the id of a point just clicked."""
    event = st.plotly_chart(
        figure,
        key=turned(choice, key),
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displayModeBar": False, "doubleClick": False},
        alt=alt,
    )
    if (region := drawn_region(event)) is not None:
        answer(choice, region)
        st.rerun()
    if (clicked := clicked_id(event)) is not None:
        _turn(choice)
    return clicked


def answer(choice: Choice[Any], value: object) -> None:
    """Puts a selection in a chart or table into the address, and goes to the first page of its images."""
    _turn(choice)
    url_state.write(replace(url_state.current(), page=1, sample=None).choosing(choice.name, choice.write(value)))


def turned(choice: Choice[Any], key: str) -> str:
    """The key of a chart or table; a new one after each selection, which would otherwise count again in every run."""
    return f"{key}.{st.session_state.setdefault(f'{_page(choice)}.turn', 0)}"


def _turn(choice: Choice[Any]) -> None:
    name = f"{_page(choice)}.turn"
    st.session_state[name] = st.session_state.get(name, 0) + 1


def _page(choice: Choice[Any]) -> str:
    return choice.name.partition(".")[0]
