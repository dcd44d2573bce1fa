"""The Map in a real browser: hover shows the thumbnail, a lasso brings its samples, and the address restores it."""

import re

import pytest

from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import TILES, drag, expect, hover, ids, on_stage, open_at, parameter, scatter, with_parameter
from tests.fakes.waiting import wait_until
from tests.fakes.workspaces import copied

CARD = "[aria-label='Image under the pointer']"
#: A browser as it is where WebGL is turned off.
WITHOUT_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
};
"""


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory, plant_map):
    """The digits on a map on which every class has a block of its own."""
    root = copied(demo_root, tmp_path_factory.mktemp("map") / "demo")
    plant_map(root)
    return root


@pytest.fixture
def labels(root):
    return Workspace(root).dataset("digits").labels()


@pytest.fixture
def address(serve, root):
    return serve(root)


def open_map(page, address):
    open_at(page, address)
    return scatter(page)


def chart_has(page, name, value):
    """Waits until the chart says so of itself."""
    expect(page.locator(".scatter-chart")).to_have_attribute(f"data-{name}", value)


def draw_around_threes(page, stage):
    """Draws a lasso around the images of class 3, and waits until it stands in the address."""
    drag(page, *on_stage(stage, (29, -1), (37, -1), (37, 6), (33, 8), (29, 6), (29, -0.9)))
    expect(page).to_have_url(with_parameter("map.region"))


@pytest.mark.slow
def test_hover_shows_the_thumbnail_and_a_lasso_brings_exactly_its_samples(page, address, labels):
    page.set_viewport_size({"width": 1440, "height": 900})
    stage = open_map(page, f"{address}/map?sort=id&descending=false")
    assert stage.bounding_box()["y"] < 150, "the figure comes first"
    sample = int((labels == 3).nonzero()[0][0])
    # The last drawn of those at its very place is the one on top, so the card tells which.
    (place,) = on_stage(stage, (30 + sample % 7, sample % 6))
    hover(page, place)
    card = page.locator(CARD)
    expect(card).to_be_visible()
    id = int(card.get_attribute("data-id"))
    assert (labels[id], id % 7, id % 6) == (3, sample % 7, sample % 6)
    expect(card).to_contain_text(f"image {id}")
    expect(card).to_contain_text(re.compile(r"AVH 0\.\d+"))
    picture = card.locator("img")
    expect(picture).to_have_attribute("src", re.compile(rf"/images/digits/{id}\?v="))
    page.wait_for_function("image => image.complete && image.naturalWidth === 8", arg=picture.element_handle())

    draw_around_threes(page, stage)
    expect(card).to_be_hidden()
    expected = (labels == 3).nonzero()[0].tolist()
    expect(page.get_by_text(f"{len(expected)} of 1,797 images in the region")).to_be_visible()
    expect(page.locator(TILES).first).to_be_visible()
    assert ids(page) == expected[: page.locator(TILES).count()]
    chart_has(page, "inside", str(len(expected)))
    map_box, grid = stage.bounding_box(), page.locator(TILES).first.bounding_box()
    assert map_box["x"] + map_box["width"] <= grid["x"]
    assert grid["y"] < map_box["y"] + map_box["height"] / 2
    bar = page.get_by_role("toolbar", name="Actions on the selection").bounding_box()
    assert bar["x"] >= map_box["x"] + map_box["width"]
    (place,) = on_stage(scatter(page), (30 + sample % 7, sample % 6))
    page.mouse.click(*place)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert labels[int(parameter(page, "sample"))] == 3
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).not_to_have_url(with_parameter("sample"))  # a page that opens with a sample begins at its row

    page.reload()
    expect(page.locator(TILES).first).to_be_visible()
    chart_has(page, "inside", str(len(expected)))  # the region is read from the address, then its images come
    wait_until(lambda: ids(page) == expected[: page.locator(TILES).count()])


def test_the_map_beside_the_gallery_marks_what_is_pointed_at_and_a_click_or_lasso_leads_its_grid(page, address, labels):
    open_at(page, f"{address}/gallery?gallery.map=1&sort=id&descending=false")
    stage, tiles, pointed = scatter(page), page.locator(TILES), page.locator(".pointed")
    assert tiles.first.bounding_box()["x"] + 300 < stage.bounding_box()["x"], "beside each other"
    place_of = lambda id: (10 * (int(labels[id]) % 5) + id % 7, 12 * (int(labels[id]) // 5) + id % 6)  # noqa: E731

    # On the stage: it scrolls, which takes the pointer off its tile.
    marked = {id: on_stage(stage, place_of(id))[0][0] - stage.bounding_box()["x"] for id in (4, 1700)}

    def marks(id):
        """Waits until the circle is at the image's place."""
        expect(pointed).to_be_visible()
        wait_until(lambda: abs(float(pointed.get_attribute("cx")) - marked[id]) < 2)

    tiles.nth(4).hover()
    marks(4)
    tiles.nth(1).click(modifiers=["Control"])
    tiles.nth(3).click(modifiers=["Shift"])
    chart_has(page, "inside", "3")
    page.keyboard.press("Escape")
    chart_has(page, "inside", "")
    (place,) = on_stage(stage, place_of(1700))
    page.mouse.click(*place)
    there = {str(id) for id in range(len(labels)) if place_of(id) == place_of(1700)}
    wait_until(lambda: page.locator(f"{TILES}:focus").get_attribute("data-id") in there)
    marks(1700)
    draw_around_threes(page, stage)
    threes = (labels == 3).nonzero()[0].tolist()
    expect(tiles.first).to_have_attribute("data-id", str(threes[0]))
    assert ids(page) == threes[: tiles.count()]


@pytest.mark.slow
def test_the_wheel_moves_the_window_into_the_address_and_a_click_opens_the_image(page, address, labels):
    stage = open_map(page, f"{address}/map?map.tool=Move")
    (place,) = on_stage(stage, (13, 2.5))
    page.mouse.move(*place)
    page.mouse.wheel(0, -400)
    expect(page).to_have_url(with_parameter("map.window"))
    left, right, low, high = map(float, parameter(page, "map.window").split(":"))
    assert left < 13 < right
    assert low < 2.5 < high
    assert right - left < 60
    ((x, y),) = on_stage(scatter(page), (13, 2.5))
    assert (x, y) == pytest.approx(place, abs=1)  # what lay under the pointer still does
    seen = page.locator(".scatter-chart").get_attribute("data-view")
    assert [float(end) for end in seen.split(",")] == pytest.approx([left, right, low, high], abs=1e-3)
    sample = int((labels == 1).nonzero()[0][0])
    (place,) = on_stage(stage, (10 + sample % 7, sample % 6))
    hover(page, place)
    card = page.locator(CARD)
    expect(card).to_be_visible()
    id = int(card.get_attribute("data-id"))
    assert labels[id] == 1
    page.mouse.click(*place)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert parameter(page, "sample") == str(id)


@pytest.mark.slow
def test_the_keyboard_moves_and_enlarges_the_map_and_selects_what_is_in_sight(page, address, labels):
    stage = open_map(page, f"{address}/map?map.window=29:37:-1:7")
    stage.focus()
    page.keyboard.press("ArrowRight")
    expect(page).not_to_have_url(with_parameter("map.window", "29%3A37%3A-1%3A7"))
    page.keyboard.press("0")
    expect(page).to_have_url(with_parameter("map.window", "-"))
    open_map(page, f"{address}/map?map.window=28.5:37.5:-2:7").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(with_parameter("map.region"))
    left, low, right, high = map(float, parameter(page, "map.region").split(":"))
    places = [(10 * (k % 5) + id % 7, 12 * (k // 5) + id % 6) for id, k in enumerate(labels)]
    expected = sum(left <= x <= right and low <= y <= high for x, y in places)
    assert expected >= (labels == 3).sum()
    expect(page.get_by_text(f"{expected} of 1,797 images in the region")).to_be_visible()


@pytest.mark.slow
def test_a_browser_without_webgl_is_told_why_there_is_no_map(own_page, address, labels):
    page = own_page
    page.add_init_script(WITHOUT_WEBGL)
    open_at(page, f"{address}/map?map.region=29:-1:37:7")
    expect(page.get_by_text("This browser has no WebGL 2")).to_be_visible()
    expect(page.get_by_text(f"{(labels == 3).sum()} of 1,797 images in the region")).to_be_visible()
