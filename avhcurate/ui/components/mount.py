"""Mounts a component: its HTML, with the style and the script beside its Python file."""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st


def mount(file: str, html: str, *, script: str = "", style: str = "", **arguments: Any) -> Any:
    """Draws the component of the package `file`; `script` and `style` precede its own, `arguments` are Streamlit's."""
    return _component(Path(file).parent, html, script, style)(**arguments)


def nothing() -> None:
    """A callback without effect: Streamlit exposes a component's state only where there is one."""


_SHARED = Path(__file__).with_name("shared.js").read_text(encoding="utf-8")


@cache
def _component(folder: Path, html: str, script: str, style: str) -> Any:
    js = (folder / f"{folder.name}.js").read_text(encoding="utf-8")
    css = folder / f"{folder.name}.css"  # a component whose parts bring all of its style has none
    style += css.read_text(encoding="utf-8") if css.exists() else ""
    return st.components.v2.component(f"avhcurate_{folder.name}", html=html, css=style, js=_SHARED + script + js)
