"""The grid's Python side: what goes out is data, what comes back is decoded in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
