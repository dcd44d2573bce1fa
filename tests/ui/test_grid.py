"""The grid's Python side: what goes out is data, what comes back is decoded in one place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from avhcurate.ui.components.grid import GridEvent, decode

ANYTHING = st.sampled_from([None, True, -1, 0, 7, 2.5, "a", "7", [], [1, "x", None, -2, True], {"a": 1}, [[1], {}]])


def test_nothing_sent_yet_is_the_selection_that_python_asked_for():
    assert decode({}, scope="a", selected=[4, 2]) == GridEvent((4, 2), None)


def test_a_selection_keeps_its_order_and_names_each_id_once():
    assert decode({"selection": {"scope": "a", "ids": [9, 1, 9, 3]}}, scope="a").selected == (9, 1, 3)


def test_a_selection_of_another_scope_is_void():
    sent = {"selection": {"scope": "filters before", "ids": [1, 2]}, "opened": 5}
    assert decode(sent, scope="filters now") == GridEvent((), 5)


@pytest.mark.parametrize("opened", ["5", -1, True, 2.0, None, [1]])
def test_only_a_whole_number_opens(opened):
    assert decode({"opened": opened}).opened is None


@given(
    st.fixed_dictionaries(
        {"opened": ANYTHING, "selection": ANYTHING | st.fixed_dictionaries({"scope": st.just("a"), "ids": ANYTHING})}
    )
)
def test_whatever_a_browser_sends_the_event_holds_ids(sent):
    event = decode(sent, scope="a", selected=[1])
    assert all(type(id) is int and id >= 0 for id in event.selected)
    assert event.opened is None or type(event.opened) is int


def _script():
    import streamlit as st

    from avhcurate.ui.components.grid import Tile, image_grid

    tiles = [Tile(id, f"/images/d/{id}", "<b>cat</b>", badges=("<i>",)) for id in range(3)]
    event = image_grid(tiles, key="grid", scope=st.session_state.get("scope", "a"), selected=(2,))
    st.json({"selected": list(event.selected), "opened": event.opened})


def _shown(app):
    return json.loads(app.json[0].value)


def test_the_wrapper_starts_with_what_python_selected():
    app = AppTest.from_function(_script).run(timeout=20)
    assert not app.exception
    assert _shown(app) == {"selected": [2], "opened": None}


def test_the_browsers_selection_survives_reruns_and_a_new_scope_replaces_it():
    app = AppTest.from_function(_script).run(timeout=20)
    app.session_state["grid"] = {"selection": {"scope": "a", "ids": [0, 1]}}
    assert _shown(app.run(timeout=20))["selected"] == [0, 1]
    assert _shown(app.run(timeout=20))["selected"] == [0, 1]
    app.session_state["scope"] = "b"
    assert _shown(app.run(timeout=20))["selected"] == [2]
