"""The details in a real browser: keys, zoom and light."""

import numpy as np
import pytest

from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import lookalike
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import TILES, drag, expect, open_at, settled, spot, unanswered, unheard, with_parameter

#: How many pixels of the screen one of each image takes.
SCALES = "all => all.map(image => new DOMMatrix(getComputedStyle(image).transform).a)"
#: Clicks a button, and presses U before the page is drawn anew.
U_AFTER_A_CLICK = """button => {
  button.focus();
  button.click();
  const { activeElement } = button.getRootNode();
  activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "u", bubbles: true, composed: true }));
}"""


@pytest.fixture
def gallery(page, own_demo_root, serve):
    """The gallery by position, whose first image is 0, the next 1."""
    return open_at(page, f"{serve(own_demo_root)}/gallery?sort=id&descending=false")


def scales(page):
    return page.locator(".viewer .view img").evaluate_all(SCALES)


def test_keys_step_zoom_and_light_and_mean_nothing_in_a_text_field(gallery):
    page, dialog = gallery, gallery.get_by_role("dialog", name="Image", exact=True)
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
    x, y = spot(viewer.locator(".view"), 20, 20)
    page.mouse.move(x, y)
    before = viewer.locator("img").bounding_box()
    page.mouse.wheel(0, 200)
    after = viewer.locator("img").bounding_box()
    grown = (x - after["x"]) / (x - before["x"])
    assert grown == pytest.approx(after["width"] / before["width"], rel=0.01), "what lies under the pointer stays there"
    drag(page, (x, y), (x + 40, y))
    assert viewer.locator("img").bounding_box()["x"] == pytest.approx(after["x"] + 40, abs=2)
    for key in ("]", "]", "{", ">"):
        page.keyboard.press(key)
    light = viewer.locator("img").evaluate("image => getComputedStyle(image).filter")
    assert light == 'brightness(1.2) contrast(0.9) url("#viewer-gamma")'
    page.keyboard.press("\\")
    expect(viewer.locator("img")).to_have_css("filter", "none")
    page.keyboard.press("t")
    page.keyboard.type("x8")
    expect(viewer.get_by_role("combobox")).to_have_value("x8")
    expect(viewer.get_by_role("switch", name="Excluded")).not_to_be_checked()


@pytest.mark.slow
def test_label_opens_at_its_button_with_the_predicted_class_first(page, serve, own_demo_root):
    open_at(page, f"{serve(own_demo_root)}/gallery?mistakes=true")
    tile = page.locator(TILES).nth(3)
    label, predicted = tile.locator(".names").inner_text().split(" → ")
    tile.click()
    viewer = page.locator(".viewer")
    button = viewer.get_by_role("button", name=f"Label: {label}")
    button.click()
    field = viewer.get_by_role("dialog", name="Act on images")
    expect(field.get_by_role("option").first).to_have_text(predicted)
    expect(field.get_by_role("option")).to_have_count(8)
    at, beside = button.bounding_box(), field.bounding_box()
    assert abs(at["x"] - beside["x"]) < 40
    assert min(abs(at["y"] + at["height"] - beside["y"]), abs(beside["y"] + beside["height"] - at["y"])) < 8
    viewer.locator(".stage:not(.waiting)").wait_for()  # no image is decided about before its picture is there
    page.keyboard.press("Enter")
    expect(viewer.get_by_role("button", name=f"Label: {predicted}")).to_be_visible()


@pytest.mark.slow
def test_a_tile_under_the_mouse_or_the_keys_says_why_its_image_is_hard_and_so_do_the_details(gallery, own_demo_root):
    def reason(id):
        near = lookalike(
            open_dataset(Workspace(own_demo_root), "digits").samples,
            open_dataset(Workspace(own_demo_root), "digits").run,
            open_dataset(Workspace(own_demo_root), "digits").neighbours,
            id,
        )
        own, other = np.degrees(near.angles)
        return near, [f"{own:.0f}° to “{near.labels[0]}”, its label", f"{other:.0f}° to “{near.labels[1]}”"]

    page, tiles, card = gallery, gallery.locator(TILES), gallery.locator(".image-grid .why")
    near, words = reason(3)
    expect(card).to_be_hidden()
    tiles.nth(3).hover()
    expect(card).to_be_visible()
    assert card.locator("span").all_text_contents() == words
    expect(card.locator("b")).to_have_text(f"Nearest image of “{near.labels[1]}”")
    tile, beside = tiles.nth(3).bounding_box(), card.bounding_box()
    assert 0 <= beside["x"] - tile["x"] - tile["width"] < 12
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    expect(card).to_be_visible()
    assert card.locator("span").all_text_contents() == reason(1)[1]
    expect(tiles.nth(1)).to_have_attribute("aria-describedby", "why")
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Image", exact=True)
    expect(dialog.locator("[class*=st-key-detail-why] .why span")).to_have_text(words)
    dialog.get_by_role("button", name="Side by side").click()
    expect(dialog.locator(".viewer .view")).to_have_count(2)
    expect(page).to_have_url(with_parameter("details.together", f"3(,|%2C){near.id}"))


@pytest.mark.slow
def test_an_image_whose_picture_is_on_its_way_is_not_decided_about(page, serve, own_demo_root):
    with unanswered(page, "**/images/**/4*"):
        open_at(page, f"{serve(own_demo_root)}/gallery?sort=id&descending=false&sample=3")
        viewer = page.locator(".viewer")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("x")
        expect(viewer.locator(".message")).to_contain_text("The image is not there yet")
        expect(viewer.get_by_role("switch")).not_to_be_checked()
        expect(viewer.locator(".scale")).to_have_text("… %")
    settled(page).keyboard.press("x")
    expect(viewer.locator(".message")).to_contain_text("1 image excluded")
    assert open_dataset(Workspace(own_demo_root), "digits").samples.sample(4)["excluded"]


@pytest.mark.slow
def test_an_image_whose_picture_never_comes_can_be_excluded(page, serve, own_demo_root):
    page.route("**/images/**/3?*size=full*", lambda route: route.fulfill(status=404))
    open_at(page, f"{serve(own_demo_root)}/gallery?sort=id&descending=false&sample=3")
    viewer = page.locator(".viewer")
    expect(viewer.locator(".broken")).to_be_visible()
    expect(viewer.locator(".scale")).to_have_text("… %")
    page.keyboard.press("x")
    expect(viewer.locator(".message")).to_contain_text("1 image excluded")


def tag(page, name):
    page.keyboard.press("t")
    page.keyboard.type(name)
    page.keyboard.press("Enter")


@pytest.mark.slow
def test_a_decision_in_the_details_shows_at_once_there_and_on_the_tile_until_it_is_refused(gallery):
    page, viewer, tile = gallery, gallery.locator(".viewer"), gallery.locator(TILES).nth(4)
    tile.click()
    expect(viewer).to_be_focused()
    settled(page)
    excluded, label = viewer.get_by_role("switch", name="Excluded"), viewer.locator("[data-do=label] span")
    with unheard(page):
        page.keyboard.press("x")
        expect(excluded).to_be_checked()
        expect(tile).to_contain_class("muted")
        page.keyboard.press("u")
        expect(excluded).not_to_be_checked()
        expect(tile).not_to_contain_class("muted")
        page.keyboard.press("8")
        expect(label).to_have_text("8")
        expect(tile.locator(".title")).to_have_text("8")
        viewer.get_by_role("button", name="Restore label").click()
        expect(tile.locator(".title")).to_have_text("8")  # whose tile does not know it
        expect(label).to_have_text("4")
        page.keyboard.press("7")
        tag(page, "smudged")
        expect(viewer.get_by_role("button", name="smudged ×")).to_be_visible()
        expect(tile.locator(".badge", has_text="smudged")).to_have_count(1)
    message = viewer.locator(".message")
    settled(page)
    tag(page, 61 * "a")
    refused = page.locator("#avhcurate-saving .refused")
    expect(refused).to_contain_text("Not saved: A tag has 1 to 60 printable characters.")
    expect(viewer.get_by_role("group", name="Tags")).to_have_text("smudged ×")
    expect(tile.locator(".badge")).to_have_text(["was 4", "smudged"])
    expect(label).to_have_text("7")
    # A button that its click has hidden has the focus until the next frame.
    refused.get_by_role("button", name="OK").evaluate(U_AFTER_A_CLICK)
    expect(refused).to_be_hidden()
    expect(message).to_contain_text("Undid tag smudged on 1 image")
    expect(tile.locator(".badge")).to_have_text(["was 4"])


@pytest.mark.slow
def test_escape_keeps_a_label_which_another_window_shows_and_undoes_only_when_asked(
    gallery, new_context, own_demo_root
):
    def decided():
        return [
            (entry.action, entry.undone_by is None)
            for entry in history_entries(open_dataset(own, "digits").decisions)[0]
        ]

    page, own, tile = gallery, Workspace(own_demo_root), gallery.locator(TILES).nth(3)
    other = open_at(new_context().new_page(), page.url)
    tile.click()
    dialog = page.get_by_role("dialog", name="Image", exact=True)
    dialog.get_by_role("button", name="Label: 3").click()
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    expect(page.locator(".viewer .message")).to_contain_text("1 image labelled 8")
    for _ in range(2):
        settled(page).keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(other.locator(TILES).nth(3).locator(".title")).to_have_text("8")
    assert decided() == [("relabel", True)]
    settled(other).keyboard.press("u")
    message = other.locator(".image-grid .message")
    expect(message).to_contain_text("Undo what another window did: relabel on 1 image?")
    assert decided() == [("relabel", True)]
    message.get_by_role("button", name="Undo").click()
    expect(tile.locator(".title")).to_have_text("3")
    assert decided() == [("relabel", False)]
    other.context.close()
    settled(page).locator(TILES).nth(5).click(modifiers=["Control"])
    page.reload()
    expect(settled(page).locator(f"{TILES}[aria-selected=true]")).to_have_count(1)
