"""What the chart's listener hands to Python: whatever a browser sends, only what makes sense counts."""

import pytest

from avhcurate.ui.components.listener import ChartEvent, decode
from avhcurate.ui.regions import Region


def test_a_lasso_comes_as_its_outline_alone():
    event = decode({"region": {"lasso": [{"x": [0, 2, 1], "y": [0, 0, 3]}]}})
    assert event == ChartEvent(region=Region((0, 2, 1), (0, 0, 3)))


@pytest.mark.parametrize("window", [None, [0, 1, 2], [1, 0, 0, 1], [0, 1, 2, "x"], [0, float("inf"), 0, 1], 7])
def test_a_window_that_is_none_does_not_count(window):
    assert decode({"window": window}).window is None


@pytest.mark.parametrize("clicked", [-1, True, "3", 2.5, None])
def test_an_id_that_is_none_does_not_count(clicked):
    assert decode({"clicked": clicked}).clicked is None


def test_nothing_sent_is_nothing_done():
    assert decode({}) == ChartEvent()
    assert decode({"region": "x", "window": [0, 1, 2, 4], "clicked": 0}) == ChartEvent(window=(0, 1, 2, 4), clicked=0)
