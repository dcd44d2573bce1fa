"""The Map in a real browser: hover shows the thumbnail, a lasso brings its samples, and the address restores it."""

import re
import shutil
from pathlib import Path

import pytest

from avhcurate.data.workspace import Workspace
from tests.browser.pages import (
    TILES,
    chart,
    expect,
    ids,
    move_onto,
    on_screen,
    open_at,
    parameter,
    with_parameter,
)
from tests.fakes.waiting import wait_until

CARD = "[aria-label='Sample under the pointer']"


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory, plant_map):
    """The digits on a map on which every class has a block of its own."""
    root = Path(shutil.copytree(demo_root, tmp_path_factory.mktemp("map") / "demo"))
    plant_map(root)
    return root


@pytest.fixture
def address(serve, root):
    return serve(root)


def open_map(page, address):
    open_at(page, address)
    expect(page.locator(".st-key-map-chart .js-plotly-plot[data-heard]")).to_be_visible()
    until(page, "plot._fullLayout.xaxis.d2p")
    return chart(page, "map-chart")


def until(page, condition):
    """Waits for what is to hold of the chart, which Streamlit may replace at any time."""
    chart = "document.querySelector('.st-key-map-chart .js-plotly-plot')"
    page.wait_for_function(f"(plot => Boolean(plot?._fullLayout && ({condition})))({chart})")


def test_hover_shows_the_thumbnail_and_a_lasso_brings_exactly_its_samples(page, address, root):
    page.set_viewport_size({"width": 1440, "height": 900})
    plot = open_map(page, f"{address}/map?sort=id&order=asc")
    dataset = Workspace(root).dataset("digits")
    labels = dataset.labels()
    sample = int((labels == 3).nonzero()[0][0])
    # The last drawn of those at its very place is the one on top, so the card tells which.
    (place,) = on_screen(plot, (30 + sample % 7, sample % 6))
    move_onto(page, place)
    card = page.locator(CARD)
    expect(card).to_be_visible()
    id = int(card.get_attribute("data-id"))
    assert (labels[id], id % 7, id % 6) == (3, sample % 7, sample % 6)
    expect(card).to_contain_text(f"image {id}")
    expect(card).to_contain_text(re.compile(r"AVH 0\.\d+"))
    picture = card.locator("img")
    expect(picture).to_have_attribute("src", re.compile(rf"/images/digits/{id}\?v="))
    page.wait_for_function("image => image.complete && image.naturalWidth === 8", arg=picture.element_handle())

    corners = on_screen(plot, (29, -1), (37, -1), (37, 6), (33, 8), (29, 6), (29, -0.9))
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    expect(page).to_have_url(with_parameter("map.region"))
    expect(card).to_be_hidden()
    expected = (labels == 3).nonzero()[0].tolist()
    expect(page.get_by_text(f"{len(expected)} of 1,797 samples in the region")).to_be_visible()
    expect(page.locator(TILES).first).to_be_visible()
    assert ids(page) == expected[: page.locator(TILES).count()]
    until(page, "!plot._fullLayout.selections?.length")
    until(
        page, f"plot._fullData.reduce((sum, trace) => sum + (trace.selectedpoints?.length ?? 0), 0) === {len(expected)}"
    )
    map_box, grid = plot.bounding_box(), page.locator(TILES).first.bounding_box()
    assert map_box["x"] + map_box["width"] <= grid["x"]
    assert grid["y"] < map_box["y"] + map_box["height"] / 2
    bar = page.get_by_role("toolbar", name="Actions on the selection").bounding_box()
    assert bar["x"] >= map_box["x"] + map_box["width"]
    plot = chart(page, "map-chart")
    (place,) = on_screen(plot, (30 + sample % 7, sample % 6))
    page.mouse.click(*place)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert labels[int(parameter(page, "sample"))] == 3
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).not_to_have_url(with_parameter("sample"))  # a page that opens with a sample begins at its row

    page.reload()
    expect(page.locator(TILES).first).to_be_visible()
    until(page, "plot.layout.shapes?.length === 1")  # the region is read from the address, then its images come
    wait_until(lambda: ids(page) == expected[: page.locator(TILES).count()])


def test_the_wheel_moves_the_window_into_the_address_and_a_click_opens_the_image(page, address, root):
    plot = open_map(page, f"{address}/map?map.tool=Move")
    (place,) = on_screen(plot, (13, 2.5))
    page.mouse.move(*place)
    page.mouse.wheel(0, -400)
    expect(page).to_have_url(with_parameter("map.window"))
    left, right, low, high = map(float, parameter(page, "map.window").split(":"))
    assert left < 13 < right
    assert low < 2.5 < high
    assert right - left < 50
    expect(page.get_by_text("in and around this window")).to_be_visible()
    plot = chart(page, "map-chart")
    until(page, f"plot._fullLayout.xaxis.range.every((end, i) => Math.abs(end - [{left}, {right}][i]) < 0.5)")
    labels = Workspace(root).dataset("digits").labels()
    sample = int((labels == 1).nonzero()[0][0])
    (place,) = on_screen(plot, (10 + sample % 7, sample % 6))
    move_onto(page, place)
    card = page.locator(CARD)
    expect(card).to_be_visible()
    id = int(card.get_attribute("data-id"))
    assert labels[id] == 1
    page.mouse.click(*place)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert parameter(page, "sample") == str(id)
