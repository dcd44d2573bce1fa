"""The grid's Python side: what goes out is data, what comes back is decoded in one place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from avhcurate.ui.components.grid import decode_selection

ANYTHING = st.sampled_from(
    [None, True, -1, 0, 7, 2.5, "a", "7", [], [0, 3], [3, 0], [1, 1], [2, 9], [[1], {}], {"a": 1}]
)


@pytest.mark.parametrize("sent", [None, 3, "a", [], {"ranges": [[0, 1]]}, {"view": 1, "ranges": []}, {"view": "a"}])
def test_an_invalid_selection_selects_nothing(sent):
    assert decode_selection(sent) == ("", ())


@given(st.fixed_dictionaries({"view": st.just("a"), "ranges": ANYTHING | st.lists(ANYTHING)}))
def test_whatever_a_browser_sends_the_ranges_are_sorted_and_disjoint(sent):
    edges = [edge for span in decode_selection(sent)[1] for edge in span]
    assert all(type(edge) is int for edge in edges)
    assert edges == sorted(set(edges))


def _script():
    from avhcurate.ui.components.grid import Tile, image_grid

    tiles = [Tile(id, f"/images/d/{id}", "<b>cat</b>", badges=("<i>",)) for id in range(3)]
    image_grid(tiles, key="grid")


def test_the_browser_gets_the_tiles_as_data():
    app = AppTest.from_function(_script).run(timeout=20)
    data = json.loads(app.get("bidi_component")[0].proto.json)
    assert (data["count"], data["source"]) == (3, "")
    assert data["tiles"][0]["title"] == "<b>cat</b>"
