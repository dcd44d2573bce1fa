"""Mount a component: its HTML, with the style and the module next to its Python file; and read what it sends."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import streamlit as st
from pydantic_core import to_jsonable_python

from avhcurate.ui.server.script_routes import script_url

#: The style of all components.
BASE = Path(__file__).with_name("base.css").read_text(encoding="utf-8")
#: What Streamlit runs of a component, from a blob, to which no import is relative: it loads the module that the app
#: serves, again if the connection was cut.
_ENTRY = """async function load(pause) {
  try {
    return await import(new URL("%(module)s", location.origin));
  } catch (error) {
    if (pause > 8000) throw error;
    await new Promise((done) => setTimeout(done, pause));
    return load(2 * pause);
  }
}
const { %(name)s: run } = await load(250);
export default run;
"""


def mount(file: str, html: str, *, data: Any, style: str = "", **arguments: Any) -> Any:
    """Draw the component of the package `file` with `data` for its module, dataclasses among it.

    `style` lies between that of all components and its own, `arguments` are Streamlit's.
    """
    return _component(Path(file).parent, html, style, script_url())(data=to_jsonable_python(data), **arguments)


def told(key: str, name: str, do: Callable[[int], None]) -> Callable[[], None]:
    """Return a callback that calls `do` with the whole number that the component of a key sent under a name."""

    def hear() -> None:
        sent = (st.session_state.get(key) or {}).get(name)
        if is_count(sent):
            do(sent)

    return hear


def nothing() -> None:
    """Do nothing, as a callback: Streamlit exposes a component's state only if there is one."""


def is_count(value: Any) -> TypeGuard[int]:
    """Return whether what a browser sent is a whole number from 0 that JavaScript keeps exactly."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


@cache
def _component(folder: Path, html: str, style: str, module: str) -> Any:
    js = _ENTRY % {"module": module, "name": folder.name}
    css = BASE + style + own_style(folder)
    return st.components.v2.component(f"avhcurate_{folder.name}", html=html, css=css, js=js)


def own_style(folder: Path) -> str:
    """Return the style of a component's folder, "" for one whose parts bring all of it."""
    return "".join(css.read_text(encoding="utf-8") for css in folder.glob(f"{folder.name}.css"))


def new_acts(key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the acts that the component of a key asks for and that were not taken yet, which may hold anything.

    An act is taken once the next one is asked for. Where a newer run of the page waits, any use of the session's
    state ends this one: the act on the way then comes again.
    """
    sent = (st.session_state.get(key) or {}).get("act")
    newest = _taken(key)
    if not isinstance(sent, list):
        return
    for act in sent:
        number = act.get("at") if isinstance(act, Mapping) else None
        if isinstance(number, int) and number > newest[0]:
            yield act
            newest[0] = number


def handled(key: str) -> int:
    """Return the number of the newest act of a component that was taken."""
    return _taken(key)[0]


def _taken(key: str) -> list[int]:
    """Return the one number of a key, in a list so that it changes without touching the session's state."""
    newest: list[int] = st.session_state.setdefault(f"{key}.handled", [0])
    return newest
