"""The gallery in a real browser: selecting, filtering, details, tags, export and links, as a user meets them."""

import io
import re

import pandas as pd
import pytest

from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import by_vector
from avhcurate.networks.neighbours.words import words_vector
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import (
    NOTHING_KEPT,
    TILES,
    drag,
    expect,
    focused,
    ids,
    open_at,
    settled,
    spot,
    unanswered,
    unheard,
    with_parameter,
)
from tests.fakes.networks import save_clip

SELECTED = ".tile[aria-selected=true]"
#: The label of what has the focus, inside components too.
FOCUSED = """() => {
  let at = document.activeElement;
  while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at.ariaLabel ?? "";
}"""


@pytest.fixture
def gallery(page, serve, demo_root):
    """Opens the gallery with the given parameters."""

    def opened(query="", address=None):
        open_at(page, f"{address or serve(demo_root)}/gallery?{query}")
        page.locator(".tile img").first.wait_for()
        return page

    return opened


def tiles(page):
    return page.locator(TILES)


def chosen(page):
    return ids(page, f"[aria-label=Images] {SELECTED}")


def says_selected(page, number):
    if number:
        expect(page.get_by_text(f"{number:,} selected", exact=True)).to_be_visible()
    else:
        expect(page.get_by_text(re.compile(r"^[\d,]+ selected$"))).to_have_count(0)
    settled(page)


@pytest.fixture
def sent(page):
    """What the page sends to Python."""
    frames = []
    page.once("websocket", lambda socket: socket.on("framesent", lambda data: frames.append(data)))
    return frames


def test_selecting_stays_in_the_browser_and_a_decision_names_ids(page, gallery, sent, serve, own_demo_root):
    gallery("sort=id&descending=false", serve(own_demo_root))
    assert sent, "what the page sends is counted"
    sent.clear()
    tile = tiles(page)
    tile.nth(2).click(modifiers=["Control"])
    tile.nth(6).click(modifiers=["Shift"])
    says_selected(page, 5)
    drag(page, spot(tile.nth(0), 40, 40), spot(tile.nth(7), 40, 40))
    page.get_by_role("button", name="Clear", exact=True).click()
    says_selected(page, 0)
    tile.nth(1).focus()
    page.keyboard.press("Control+a")
    says_selected(page, 1797)
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_role("button", name="Select all 1,797 that match").click()
    says_selected(page, 1797)
    assert not sent
    with page.expect_request("**/decisions/new") as decided:
        page.keyboard.press("1")
    expect(page.locator(".message")).to_contain_text("1,615 images labelled 1")  # the others are ones already
    (decision,) = decided.value.post_data_json
    assert (decision["kind"], decision["dataset"], decision["ids"]) == ("relabel", "digits", [[0, 1797]])


@pytest.mark.slow
def test_scrolling_shows_every_row_without_a_run_of_the_page(page, gallery, sent):
    gallery("sort=id&descending=false")
    assert sent, "what the page sends is counted"
    sent.clear()
    page.get_by_label("Go to image").fill("1,200")
    page.keyboard.press("Enter")
    expect(page.locator(f"{TILES}[data-id='1199']")).to_be_visible()
    assert focused(page) == 1199
    assert page.locator(TILES).first.get_attribute("data-id") != "0"
    page.keyboard.press("PageDown")
    page.keyboard.press("End")
    expect(page.locator(f"{TILES}[data-id='1796'] img")).to_be_visible()
    scroller = page.locator("[class*=st-key-samples] .scroller")
    scroller.evaluate("node => { node.scrollTop = node.scrollHeight / 2; }")
    expect(page.locator(TILES).first).to_have_attribute("data-place", re.compile(r"^[89]\d\d$"))
    assert not sent


def turn_round(page):
    """Shows the hardest images last."""
    page.get_by_role("button", name="AVH, high first").click()
    page.get_by_role("radio", name="Low first").click()
    page.keyboard.press("Escape")


@pytest.mark.slow
def test_a_selection_outlives_another_order_and_what_is_out_of_sight(gallery):
    page = gallery()
    tiles(page).nth(0).click(modifiers=["Control"])
    says_selected(page, 1)
    first = ids(page)[0]
    page.keyboard.press("End")
    expect(page.locator(f"{TILES}[data-id='{first}']")).to_have_count(0)
    turn_round(page)
    says_selected(page, 1)
    settled(page)
    tiles(page).first.focus()
    page.keyboard.press("End")
    expect(page.locator(f"{TILES}[data-id='{first}']")).to_have_attribute("aria-selected", "true")


@pytest.mark.slow
def test_escape_clears_before_the_server_says_where_the_selection_is_and_a_key_before_it_decides_nothing(
    page, gallery, serve, own_demo_root
):
    gallery(address=serve(own_demo_root))
    tiles(page).nth(0).click(modifiers=["Control"])
    says_selected(page, 1)
    first = ids(page)[0]
    with unanswered(page, "**/ranges"):
        turn_round(page)
        says_selected(page, 1)
        assert ids(page)[0] != first
        tiles(page).first.focus()
        page.keyboard.press("x")
        page.keyboard.press("Escape")
        says_selected(page, 0)
    settled(page).wait_for_function(NOTHING_KEPT)
    assert open_dataset(Workspace(own_demo_root), "digits").samples.decision_counts == (0, 0, 0)
    page.keyboard.press("End")
    expect(page.locator(f"{TILES}[data-id='{first}']")).to_have_attribute("aria-selected", "false")
    says_selected(page, 0)


@pytest.mark.slow
def test_facets_filter_by_drag_keyboard_and_number(gallery):
    page = gallery()
    bars = page.get_by_role("group", name="AVH").locator(".bar")
    drag(page, *(spot(bars.nth(place), 4, 20) for place in (2, 4)))
    expect(page).to_have_url(with_parameter("range"))
    pressed = settled(page).locator(".range [aria-pressed=true]").evaluate_all("all => all.map(bar => bar.ariaLabel)")
    counted = [int(re.search(r": (\d+)", label).group(1)) for label in pressed]
    assert len(counted) == 3
    expect(page.get_by_text(f"{sum(counted):,} of 1,797 images match")).to_be_visible()
    page.get_by_role("group", name="Class", exact=True).get_by_role("button", name="0: ").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(with_parameter("class", "3"))
    assert settled(page).evaluate(FOCUSED).startswith("3: ")
    page.get_by_label("AVH to").fill("0.05")
    page.keyboard.press("Enter")
    expect(page).to_have_url(with_parameter("range", r"%5B%22avh%22%2C[\d.]+%2C0\.05%5D(&|$)"))
    settled(page).get_by_role("button", name="Any AVH").click()
    expect(page).not_to_have_url(with_parameter("range"))


@pytest.mark.slow
def test_days_of_a_column_are_typed_and_taken_out_by_their_chip(page, serve, columns_root):
    open_at(page, f"{serve(columns_root)}/gallery?dataset=digits")
    page.get_by_label("Scores and columns").click()
    page.keyboard.type("taken")
    page.get_by_role("option", name="taken").click()
    page.keyboard.press("Escape")
    expect(page).to_have_url(with_parameter("date"))
    for end, day in (("from", "20240201"), ("to", "20240203")):
        settled(page).get_by_role("spinbutton", name=f"year, taken {end}").click()
        page.keyboard.type(day)
        page.keyboard.press("Escape")
        expect(page).to_have_url(with_parameter("date", f".*%22{day[:4]}-{day[4:6]}-{day[6:]}%22"))
    expect(page).to_have_url(with_parameter("date", "%5B%22taken%22%2C%222024-02-01%22%2C%222024-02-03%22%5D"))
    counted = sum(31 <= id % 366 <= 33 for id in range(1797))
    expect(page.get_by_text(f"{counted:,} of 1,797 images match")).to_be_visible()
    settled(page).get_by_role("button", name="taken 2024-02-01–2024-02-03").click()
    expect(page).not_to_have_url(with_parameter("date"))


@pytest.mark.slow
def test_a_deep_link_on_a_fresh_server_restores_the_view(gallery, demo_root, serve_fresh):
    query = "dataset=digits&bin=3,4&class=7&sort=loss&descending=false&tile=96&nonsense=1"
    page = gallery(query, serve_fresh(demo_root).address)
    expect(page.get_by_text("is not understood")).to_be_visible()
    expect(page.get_by_role("link", name="Gallery")).to_be_visible()
    expect(page.locator(f"{TILES}.waiting")).to_have_count(0)
    said = tiles(page).evaluate_all("all => all.map(tile => tile.ariaLabel)")
    losses = [float(re.search(r"Loss ([^,]+),", text).group(1)) for text in said]
    assert losses == sorted(losses)
    assert set(page.locator("[aria-label=Images] .title").all_text_contents()) == {"7"}


@pytest.mark.slow
def test_the_detail_view_opens_steps_and_closes_and_the_keys_go_on_from_the_tile(page, gallery, serve, own_demo_root):
    gallery("", serve(own_demo_root))
    order = ids(page)
    tiles(page).nth(3).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("4 of 1,797")).to_be_visible()
    expect(page).to_have_url(with_parameter("sample", order[3]))
    expect(dialog.get_by_text("Nearest by angle")).to_be_visible()
    expect(dialog.locator(".js-plotly-plot")).to_be_visible()
    dialog.get_by_role("button", name="Next").click()
    expect(page).to_have_url(with_parameter("sample", order[4]))
    expect(dialog.get_by_text("5 of 1,797")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(with_parameter("sample"))
    says_selected(page, 0)
    page.wait_for_function("() => document.activeElement.shadowRoot?.activeElement?.dataset.place === '4'")
    # What the fields showed of one image is no decision about the next, however late the browser hears of it.
    assert history_entries(open_dataset(Workspace(own_demo_root), "digits").decisions) == ([], 0)


@pytest.mark.slow
def test_keys_tag_label_exclude_and_undo_and_say_what_and_how_many(page, own_demo_root, serve, gallery):
    gallery("", serve(own_demo_root))
    message, tile = page.locator(".message"), tiles(page)
    tile.nth(0).click(modifiers=["Control"])
    tile.nth(1).click(modifiers=["Shift"])
    says_selected(page, 2)
    page.keyboard.press("t")
    expect(page.get_by_role("dialog", name="Act on images")).to_contain_text("Tag 2 images")
    page.keyboard.type("blurred")
    page.keyboard.press("Enter")
    expect(message).to_contain_text("2 images tagged blurred")
    expect(page.locator(".badge", has_text="blurred")).to_have_count(2)
    assert focused(page) == 1
    page.keyboard.press("l")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    expect(message).to_contain_text("2 images labelled 4")
    expect(tile.nth(0).locator(".title")).to_have_text("4")
    settled(page).keyboard.press("7")
    expect(message).to_contain_text("2 images labelled 7")
    message.get_by_role("button", name="Undo").click()
    expect(tile.nth(0).locator(".title")).to_have_text("4")
    settled(page).keyboard.press("Escape")
    says_selected(page, 0)
    page.keyboard.press("x")
    expect(message).to_contain_text("1 image excluded")
    for undone in ("exclude on 1 image", "relabel on 2 images", "tag blurred on 2 images"):
        settled(page).keyboard.press("u")
        expect(message).to_contain_text(f"Undid {undone}")
    expect(page.locator(".badge", has_text="blurred")).to_have_count(0)


@pytest.mark.slow
def test_x_pressed_six_times_excludes_six_images_that_dim_before_the_server_knows(page, own_demo_root, serve, gallery):
    gallery("", serve(own_demo_root))
    order = ids(page)
    tiles(page).nth(0).focus()
    with unheard(page):
        for _ in range(6):
            page.keyboard.press("x")
        expect(page.locator(".tile.muted")).to_have_count(6)
        assert focused(page) == 6
        page.keyboard.press("u")
        page.keyboard.press("7")
        expect(page.locator(".tile.muted")).to_have_count(5)
        expect(tiles(page).nth(6).locator(".title")).to_have_text("7")
        expect(page.locator(".message")).to_contain_text("1 image labelled 7")  # later, it would hide the next message
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("7")
        expect(page.locator(".message")).to_contain_text("It has this label already")
    expect(page.get_by_text("Excluded images (5)")).to_be_visible()
    settled(page)
    assert ids(page)[:2] == order[5:7]
    assert f", image {order[7]}," in page.evaluate(FOCUSED)
    entries, _ = history_entries(open_dataset(Workspace(own_demo_root), "digits").decisions)
    assert [(entry.action, entry.samples) for entry in entries if not entry.undone_by] == [
        ("relabel", 1),
        *[("exclude", 1)] * 5,
    ]


@pytest.mark.slow
def test_a_tile_that_stands_in_is_not_selected_for_the_image_that_comes_there(page, gallery, serve, own_demo_root):
    gallery("sort=id&descending=false&where=NOT excluded", serve(own_demo_root))
    page.get_by_label("Go to image").fill("131")
    page.keyboard.press("Enter")
    next_one = page.locator(f"{TILES}[data-place='131']")
    expect(next_one).to_have_attribute("data-id", "131")
    with unanswered(page, "**/rows?*"):
        page.keyboard.press("x")
        expect(page.get_by_text("of 1,796")).to_be_visible()
        settled(page)
        next_one.click(modifiers=["Control"])
        says_selected(page, 0)
        next_one.click(modifiers=["Shift"])
        page.keyboard.press(" ")
        says_selected(page, 0)
    expect(next_one).to_have_attribute("data-id", "132")
    next_one.click(modifiers=["Control"])
    says_selected(page, 1)


@pytest.mark.slow
def test_an_image_that_has_not_come_is_not_decided_about(page, gallery, serve, own_demo_root):
    gallery(address=serve(own_demo_root))
    tiles(page).first.focus()
    with unanswered(page, "**/rows?*"):
        page.keyboard.press("End")
        last = page.locator(f"{TILES}[data-place='1796']")
        expect(last).to_be_focused()
        expect(last).to_have_attribute("aria-label", "loading")
        expect(last.locator("img")).to_be_hidden()
        page.keyboard.press("x")
        expect(page.locator(".message")).to_contain_text("The image is not there yet")
    expect(last).to_have_attribute("data-id", re.compile(r"\d+"))
    expect(last.locator("img")).to_be_visible()
    page.keyboard.press("x")
    expect(page.locator(".message")).to_contain_text("1 image excluded")
    assert open_dataset(Workspace(own_demo_root), "digits").samples.decision_counts[1] == 1


@pytest.mark.slow
def test_six_classes_clicked_at_once_are_six_classes_on_bars_and_chip_before_the_server_knows(gallery):
    page = gallery()
    facet = page.get_by_role("group", name="Class", exact=True)
    chip = page.get_by_role("group", name="Filters in force")
    with unheard(page):
        for name in range(6):
            facet.get_by_role("button", name=f"{name}: ").click(no_wait_after=True)
        expect(facet.locator("[aria-pressed=true]")).to_have_count(6)
        expect(chip).to_contain_text("Class 0 or 1 or 2 or 3 or 4 or 5")
    expect(page).to_have_url(with_parameter("class", "0%2C1%2C2%2C3%2C4%2C5"))
    settled(page)
    expect(facet.locator("[aria-pressed=true]")).to_have_count(6)
    with unheard(page):
        chip.get_by_role("button").click()
        expect(facet.locator("[aria-pressed=true]")).to_have_count(0)
        expect(chip.get_by_role("button")).to_have_count(0)
    expect(page).not_to_have_url(with_parameter("class"))


@pytest.mark.slow
def test_the_selection_and_the_filtered_view_download(gallery):
    page = gallery("class=3")
    tiles(page).nth(0).click(modifiers=["Control"])
    tiles(page).nth(2).click(modifiers=["Shift"])
    says_selected(page, 3)
    selected = chosen(page)
    page.get_by_role("button", name="Export").click()
    settled(page)
    for number, what in ((3, "Selection"), (183, "All shown")):
        page.get_by_role("radio", name=what).click()
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {number} images").click()
        rows = pd.read_csv(io.BytesIO(download.value.path().read_bytes()))
        assert len(rows) == number
        assert set(rows["label_name"]) == {3}
        if number == 3:
            assert set(rows["id"]) == set(selected)


@pytest.mark.slow
def test_a_dataset_becomes_searchable_by_a_folder_and_words_order_it_as_typed(page, serve, make_dataset, tmp_path):
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    save_clip(tmp_path / "network")
    colours = ("red", "blue", "green", "yellow", "black", "white")
    pets = make_dataset({f"{name}/{colour}.png": colour for name in ("cat", "dog") for colour in colours})
    open_at(page, f"{serve(pets.workspace.root)}/gallery")
    page.get_by_role("button", name="Find images like").click()
    folder = page.get_by_role("combobox", name="Network, or its folder")
    folder.fill(str(tmp_path / "network"))
    folder.press("Enter")
    page.get_by_role("button", name="Make it searchable").click()
    box = page.get_by_role("textbox", name="Find images like …")
    expect(box).to_be_visible()
    settled(page)
    (run,) = pets.dataset.runs()
    found = open_dataset(pets.workspace, "pets", run.name)
    box.focus()
    for more, text in (("red", "red"), (" car, -snow", "red car, -snow")):
        page.keyboard.type(more, delay=20)
        page.wait_for_function("text => new URLSearchParams(location.search).get('gallery.typed') === text", arg=text)
        expected, _ = by_vector(found.samples, found.run, Filters(), words_vector(run, f"like: {text}"))
        assert ids(page) == expected.tolist()
        expect(box).to_be_focused()
        expect(box).to_have_value(text)
