"""What an open page shows to who has lost their role: nothing, whatever part of it is drawn again."""

import ast
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from avhcurate.ui.base.signin import NOBODY
from avhcurate.workspace.data import people
from avhcurate.workspace.data.people import OPERATOR
from tests.conftest import SCRIPT_TIMEOUT_S

PACKAGE = Path(__file__).parents[3] / "avhcurate"
#: Parts of pages that streamlit draws again without the main script.
PARTS = {"fragment", "dialog"}


def _page() -> None:
    import streamlit as st

    from avhcurate.ui.base.frame import while_allowed

    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    if st.session_state["runs"] == 1:
        while_allowed(st.write)("a secret")


@pytest.mark.parametrize(("person", "runs", "shown"), [(OPERATOR, 1, ["a secret"]), (NOBODY, 2, [])])
def test_without_a_role_the_whole_page_runs_again_instead_of_a_part(monkeypatch, person, runs, shown):
    monkeypatch.setattr(people, "_who", lambda: person)
    app = AppTest.from_function(_page, default_timeout=SCRIPT_TIMEOUT_S).run()
    assert (app.session_state["runs"], [one.value for one in app.markdown]) == (runs, shown)


def _stale_page() -> None:
    from types import SimpleNamespace

    import streamlit as st

    from avhcurate.ui.base.frame import while_allowed

    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.session_state["frame.here"] = SimpleNamespace(
        opened=SimpleNamespace(decisions=SimpleNamespace(current=st.session_state["runs"] > 1))
    )
    while_allowed(st.write)("samples")


def test_after_another_import_the_whole_page_runs_again_instead_of_a_part():
    app = AppTest.from_function(_stale_page, default_timeout=SCRIPT_TIMEOUT_S).run()
    assert (app.session_state["runs"], [one.value for one in app.markdown]) == (2, ["samples"])


def test_every_part_of_a_page_that_is_drawn_alone_asks_for_the_role():
    without = {part for file in PACKAGE.rglob("*.py") for part in _unguarded(file)}
    assert not without


def _unguarded(file: Path) -> list[str]:
    """Functions that are decorated as parts or handed to `st.fragment`, and not decorated by `while_allowed`."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and _is_part(node.func)]
    handed = {argument.id for call in calls for argument in call.args if isinstance(argument, ast.Name)}
    parts = [one for one in functions if one.name in handed or any(map(_is_part, one.decorator_list))]
    guarded = {one.name for one in parts if "while_allowed" in map(ast.unparse, one.decorator_list)}
    return [f"{file.name}: {one.name}" for one in parts if one.name not in guarded]


def _is_part(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return isinstance(called, ast.Attribute) and called.attr in PARTS
