"""The details in a real browser: keys, zoom, light, several images side by side, and a panel that is remembered."""

import re

import pytest

from tests.browser.pages import TILES, expect, ids, open_at, parameter, settled, with_parameter

SHOWN = "document.activeElement.shadowRoot?.activeElement?.dataset"
NO_FOCUS = "document.activeElement.matches('body, [data-testid=stMain]')"
#: How many pixels of the screen one of each image takes.
SCALES = "all => all.map(image => new DOMMatrix(getComputedStyle(image).transform).a)"


@pytest.fixture
def gallery(page, own_demo_root, serve):
    """The gallery by position, whose first image is 0, the next 1."""
    return open_at(page, f"{serve(own_demo_root)}/gallery?sort=id&order=asc")


def scales(page):
    return page.locator(".viewer .view img").evaluate_all(SCALES)


def test_keys_step_zoom_light_and_act_and_mean_nothing_in_a_text_field(gallery):
    page, dialog, message = gallery, gallery.get_by_role("dialog", name="Sample"), gallery.locator(".viewer .message")
    page.locator(TILES).nth(3).click()
    viewer = dialog.locator(".viewer")
    expect(viewer).to_be_focused()
    assert page.locator(f"{TILES}[aria-selected=true]").count() == 0
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    expect(viewer).to_have_attribute("data-id", "4")
    expect(page).to_have_url(with_parameter("sample", "4$"))
    settled(page)
    (fitted,) = scales(page)
    page.keyboard.press("Space")
    expect(viewer.locator(".scale")).to_have_text("100 %")
    assert scales(page) == [1]
    for _ in range(40):
        page.keyboard.press("+")
    assert scales(page)[0] > 2 * fitted
    middle = viewer.locator(".view").bounding_box()
    page.mouse.move(middle["x"] + 20, middle["y"] + 20)
    before = viewer.locator("img").bounding_box()
    page.mouse.wheel(0, 200)
    after = viewer.locator("img").bounding_box()
    share = (after["width"] / before["width"], (middle["x"] + 20 - after["x"]) / (middle["x"] + 20 - before["x"]))
    assert share[0] == pytest.approx(share[1], rel=0.01), "what lies under the pointer stays there"
    page.mouse.down()
    page.mouse.move(middle["x"] + 60, middle["y"] + 20, steps=3)
    page.mouse.up()
    assert viewer.locator("img").bounding_box()["x"] == pytest.approx(after["x"] + 40, abs=2)
    for key in ("]", "]", "{", ">"):
        page.keyboard.press(key)
    light = viewer.locator("img").evaluate("image => getComputedStyle(image).filter")
    assert light == 'brightness(1.2) contrast(0.9) url("#viewer-gamma")'
    page.keyboard.press("\\")
    expect(viewer.locator("img")).to_have_css("filter", "none")
    page.keyboard.press("t")
    page.keyboard.type("smudged")
    page.keyboard.press("Enter")
    expect(message).to_contain_text("1 image tagged smudged")
    settled(page).keyboard.press("8")
    expect(message).to_contain_text("1 image labelled 8")
    message.get_by_role("button", name="Undo").click()
    expect(message).to_contain_text("Undid relabel on 1 image")
    field = settled(page).get_by_role("combobox", name="Tags")
    field.click()
    page.keyboard.type("x8")
    expect(field).to_have_value("x8")
    expect(settled(page).get_by_label("Excluded", exact=True)).not_to_be_checked()
    expect(message).to_contain_text("Undid relabel on 1 image")


def test_several_stand_side_by_side_under_one_zoom(gallery):
    page, tile = gallery, gallery.locator(TILES)
    for number in (1, 4, 6):
        tile.nth(number).click(modifiers=["Control"])
    settled(page).keyboard.press("Shift+Enter")
    viewer = page.locator(".viewer")
    expect(viewer.locator(".stage")).to_have_count(3)
    assert (parameter(settled(page), "sample"), parameter(page, "details.beside")) == ("1", "1,4,6")
    first = scales(page)
    page.keyboard.press("+")
    assert [now / then for now, then in zip(scales(page), first, strict=True)] == pytest.approx([1.25] * 3)
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(with_parameter("sample", "4"))
    settled(page).keyboard.press("x")
    expect(viewer.locator(".message")).to_contain_text("1 image excluded")
    settled(page).keyboard.press("u")
    expect(viewer.locator(".message")).to_contain_text("Undid exclude on 1 image")
    settled(page).get_by_role("button", name="Show only this image").click()
    expect(viewer.locator(".stage")).to_have_count(1)
    expect(viewer).to_have_attribute("data-id", "4")


def test_a_panel_beside_the_page_is_remembered_marks_its_tile_and_gives_the_focus_back(gallery):
    page = gallery
    page.locator(TILES).nth(2).click()
    settled(page).get_by_role("button", name="Details beside the page").click()
    panel = page.locator(".st-key-details")
    expect(panel.locator(".viewer")).to_be_focused()
    expect(page.get_by_role("dialog", name="Sample")).to_have_count(0)
    settled(page).keyboard.press("ArrowRight")
    marked = page.locator(f"{TILES}[aria-current=true]")
    expect(marked).to_have_attribute("data-id", "3")
    settled(page).get_by_role("heading", name="Gallery").click()
    page.wait_for_function(NO_FOCUS)  # from here on a key is for the viewer, not for the grid too
    page.keyboard.press("x")
    expect(panel.locator(".viewer .message")).to_contain_text("1 image excluded")
    assert ids(page)[:5] == [0, 1, 2, 4, 5]
    page.keyboard.press("ArrowRight")
    expect(marked).to_have_attribute("data-id", "4")
    settled(page).keyboard.press("Escape")
    expect(panel).to_have_count(0)
    page.wait_for_function(f"{SHOWN}?.id === '4'")
    page.reload()
    settled(page).locator(TILES).nth(1).click()
    expect(panel.locator(".viewer")).to_be_focused()
    overflow = "() => document.documentElement.scrollWidth > innerWidth"
    for size in ({"width": 1440, "height": 900}, {"width": 720, "height": 450}):  # as it is, and at 200 % zoom
        page.set_viewport_size(size)
        assert not settled(page).evaluate(overflow)
        for name in ("Next", "Close"):
            expect(panel.get_by_role("button", name=re.compile(f"^{name}$"))).to_be_in_viewport(ratio=1)
