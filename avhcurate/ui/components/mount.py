"""Mount a component: its HTML, with the style and the script next to its Python file; and read what it sends."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import streamlit as st
from pydantic_core import to_jsonable_python


def mount(file: str, html: str, *, data: Any, script: str = "", style: str = "", **arguments: Any) -> Any:
    """Draw the component of the package `file` with `data` for its script, dataclasses among it.

    `script` and `style` precede its own, `arguments` are Streamlit's.
    """
    return _component(Path(file).parent, html, script, style)(data=to_jsonable_python(data), **arguments)


def told(key: str, name: str, do: Callable[[int], None]) -> Callable[[], None]:
    """Return a callback that calls `do` with the whole number that the component of a key sent under a name."""

    def hear() -> None:
        sent = (st.session_state.get(key) or {}).get(name)
        if is_count(sent):
            do(sent)

    return hear


def nothing() -> None:
    """Do nothing, as a callback: Streamlit exposes a component's state only if there is one."""


def read_files(folder: Path, names: Sequence[str]) -> str:
    """Return the files of a folder, one after the other."""
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def is_count(value: Any) -> TypeGuard[int]:
    """Return whether what a browser sent is a whole number from 0 that JavaScript keeps exactly."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


@cache
def _component(folder: Path, html: str, script: str, style: str) -> Any:
    js = (
        read_files(Path(__file__).parent, ["shared.js", "talk.js"]) + script + read_files(folder, [f"{folder.name}.js"])
    )
    css = folder / f"{folder.name}.css"  # a component whose parts bring all of its style has none
    if css.exists():
        style += css.read_text(encoding="utf-8")
    return st.components.v2.component(f"avhcurate_{folder.name}", html=html, css=style, js=js)
