"""Regions on a chart: what a browser sends, what the address keeps, and which points lie in one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.ui.charts.regions import Region, drawn_region, read_region, write_region

EVERYWHERE = (-math.inf, math.inf)


def sent(kind, x, y, xref="x", yref="y"):
    return {"selection": {"points": [], kind: [{"xref": xref, "yref": yref, "x": x, "y": y}]}}


def test_a_box_holds_its_edges_whichever_corner_came_first():
    region = drawn_region(sent("box", [0.3, 0.1], [0.2, 0.9]))
    held = region.holds([0.1, 0.3, 0.2, 0.31, 0.2, math.nan], [0.2, 0.9, 0.5, 0.5, 0.95, 0.5])
    assert held.tolist() == [True, True, True, False, False, False]


@given(st.integers(3, 20), st.floats(0, 6.3), st.integers(0, 1000))
def test_a_lasso_around_a_centre_holds_what_is_nearer_than_its_sides(corners, turn, seed):
    angles = turn + np.linspace(0, 2 * np.pi, corners, endpoint=False)
    region = drawn_region(sent("lasso", np.cos(angles).tolist(), np.sin(angles).tolist()))
    radius = np.cos(np.pi / corners)  # of the largest circle inside
    rng = np.random.default_rng(seed)
    direction, reach = rng.uniform(0, 2 * np.pi, 50), rng.uniform(0, 2, 50)
    held = region.holds(reach * np.cos(direction), reach * np.sin(direction))
    assert held[reach < radius - 1e-9].all()
    assert not held[reach > 1 + 1e-9].any()


@pytest.mark.parametrize(
    ("xref", "yref", "expected"),
    [
        ("x", "y2", Region((0.1, 0.2), EVERYWHERE)),
        ("x2", "y", Region(EVERYWHERE, (0.3, 0.4))),
        ("x2", "y2", None),
    ],
)
def test_a_box_or_lasso_on_a_histogram_bounds_that_axis_alone(xref, yref, expected):
    assert drawn_region(sent("box", [0.1, 0.2], [0.3, 0.4], xref, yref)) == expected
    assert drawn_region(sent("lasso", [0.1, 0.2, 0.15], [0.3, 0.4, 0.35], xref, yref)) == expected


@pytest.mark.parametrize(
    "region",
    [Region((0.1, 0.25), (0.0, 1.0)), Region((0.2, math.inf), EVERYWHERE), Region((0, 0.3, 0.2), (0, 0.1, 0.5))],
)
def test_an_address_gives_the_region_back(region):
    assert read_region(write_region(region)) == region


def test_a_long_lasso_fits_into_an_address():
    angles = np.linspace(0, 6, 500)
    region = drawn_region(sent("lasso", np.cos(angles).tolist(), np.sin(angles).tolist()))
    assert len(write_region(region)) < 1000
    assert read_region(write_region(region)).x == pytest.approx(region.x, abs=1e-4)


@pytest.mark.parametrize("text", ["", "a", "1:2", "1:2:3", "nan:0:1:1", ":".join(["1"] * 200)])
def test_what_is_no_region_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  (the texts differ, the caller shows its own)
        read_region(text)


@pytest.mark.parametrize(
    "event",
    [
        None,
        7,
        {},
        {"selection": None},
        {"selection": {"box": [], "lasso": []}},
        {"selection": {"box": [3]}},
        {"selection": {"box": [{"x": ["a", 1], "y": [0, 1]}]}},
        {"selection": {"box": [{"x": [0, math.inf], "y": [0, 1]}]}},
        {"selection": {"lasso": [{"x": [0, 1], "y": [0, 1]}]}},
        {"selection": {"points": [{"customdata": {"0": 7}}]}},
    ],
)
def test_whatever_else_a_browser_sends_is_no_region(event):
    assert drawn_region(event) is None
