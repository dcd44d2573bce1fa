"""Annotating in a real browser: both designs by keys and mouse, no answer lost or doubled, and HSF follows."""

import random

import pytest
from PIL import Image

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators, setup
from avhcurate.features.annotate import answers as annotate_answers
from avhcurate.features.annotate import queue as annotate_queue
from avhcurate.workspace.data.people import user
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import TILES, expect, ids, open_at, settled
from tests.fakes.votes import collect, tick

CLASSIFY = {"design": "classify", "control_share": 0.0}
SELECT = {"design": "select", "candidates": 6, "controls": 2, "classes": (3,)}
SHEET = ".sheet .tile"
TICKED = ".sheet .tile[aria-checked=true]"
#: Notes each key together with the image that was on screen when it was pressed.
WATCH = """() => {
  const card = [...document.querySelectorAll('*')].map(n => n.shadowRoot?.querySelector('.card')).find(Boolean);
  window.pressed = [];
  const note = event => window.pressed.push([Number(card.dataset.item), Number(event.key)]);
  window.addEventListener('keydown', note, true);
}"""

#: Presses a key twice within a frame: answers so far, whether the choices are grey, and what the card says.
TWO_KEYS = """() => {
  const card = [...document.querySelectorAll('*')].map(n => n.shadowRoot?.querySelector('.card')).find(Boolean);
  for (const key of ['3', '3']) document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  return [card.dataset.answered, card.classList.contains('waiting'), card.querySelector('.status.warns')?.textContent];
}"""


@pytest.fixture
def work(page, own_demo_root, serve):
    """Sets up a collection on a copy of the digits and opens it as ada; returns the dataset and the address."""

    def opened(query="", **settings):
        opened = open_dataset(Workspace(own_demo_root), "digits")
        collect(opened, **settings)
        setup.choose_source(opened.votes, who="boss")  # the first answers replace the simulated votes
        address = serve(own_demo_root)
        open_at(page, f"{address}/annotate?annotate.name=ada{query}")
        page.locator(".stage img.on, .tile img").first.wait_for()
        return opened, address

    return opened


def answers(opened):
    opened.refresh()
    return annotators.responses(opened.votes, controls=True)


def saved(page, selector=".card"):
    expect(page.locator(selector)).to_have_attribute("data-unsaved", "0")


def current(page):
    return int(page.locator(".card").get_attribute("data-item"))


def look(page):
    """Waits until the picture could have been seen."""
    page.locator(".stage img.on").wait_for()
    page.wait_for_timeout(annotate_answers.FASTEST_MS + 30)


def press(page, *keys):
    """Presses keys as somebody who looks at each image first; returns the images that were on screen.

    A busy machine may draw an image again just before the key, which the card then refuses as too quick: it is pressed
    again, as the card asks.
    """
    seen = []
    for key in keys:
        before = page.locator(".card").get_attribute("data-answered")
        while True:
            look(page)
            at = current(page)
            page.keyboard.press(key)
            if page.locator(".card").get_attribute("data-answered") != before:
                break
        seen.append(at)
    return seen


# --- classify ----------------------------------------------------------------------------------------------------


def test_number_keys_answer_for_the_picture_on_screen_and_hsf_follows(page, work):
    opened, address = work(**CLASSIFY)
    labels = opened.dataset.labels()
    first = current(page)
    seen = press(page, str(labels[first]), "4", "9")
    assert len(set(seen)) == 3
    saved(page)
    found = answers(opened)
    assert found["id"].tolist() == seen
    assert found["label"].tolist() == [labels[first], 4, 9]
    assert (found["reaction_ms"] >= annotate_answers.FASTEST_MS).all()
    open_at(page, f"{address}/gallery?where=votes%3E0&sort=id&descending=false")
    expect(page.locator(TILES)).to_have_count(3)
    notes = dict(
        zip(
            page.locator(TILES).evaluate_all("all => all.map(t => Number(t.dataset.id))"),
            page.locator("[aria-label=Images] .score").all_text_contents(),
            strict=True,
        )
    )
    said = dict(zip(seen, found["label"], strict=True))
    assert notes == {id: f"HSF {1.0 if said[id] == labels[id] else 0.0:.2f}" for id in seen}


@pytest.mark.slow
def test_a_second_person_judges_blind_what_one_has_decided(page, own_demo_root, serve):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    collect(opened, **CLASSIFY, target=1, skip=True)
    address = serve(own_demo_root)
    open_at(page, f"{address}/gallery?sort=id&descending=false")
    tiles = page.locator(TILES)
    for number in (0, 1):
        tiles.nth(number).focus()
        page.keyboard.press("l")
        page.keyboard.type("7")
        page.keyboard.press("Enter")
        expect(page.locator(".counts")).to_have_text(f"{number + 1} relabelled")
        settled(page)
    open_at(page, f"{address}/annotators")
    expect(page.get_by_text("nobody has answered yet")).to_be_visible()
    page.get_by_role("button", name="Ask a second person about 2 decisions").click()
    expect(page.get_by_role("button", name="Ask a second person")).to_have_count(0)

    other = page.context.browser.new_context().new_page()
    open_at(other, f"{address}/annotate?annotate.name={user()}")
    expect(other.get_by_text("You're done")).to_be_visible()  # who decided is not asked
    open_at(other, f"{address}/annotate?annotate.name=ada")
    seen = press(other, "7", "1")
    saved(other)
    expect(other.get_by_text("You're done")).to_be_visible()
    assert set(seen) == {0, 1}

    settled(page)
    page.reload()
    contradicted = page.locator(".avh-pairs figure")
    expect(contradicted).to_have_count(1)
    expect(page.get_by_text("Others contradict 1 decision")).to_be_visible()
    expect(page.get_by_test_id("stMetric").filter(has_text="By two or more")).to_contain_text("1")
    expect(page.get_by_test_id("stMetric").filter(has_text="A second person agrees")).to_contain_text("50%")
    open_at(page, f"{address}/saved?saved.part=changes")
    expect(page.get_by_text("Of 2 decisions about labels 1 are by two people or more")).to_be_visible()


@pytest.mark.slow
def test_thirty_fast_keys_lose_and_double_nothing(page, work):
    opened, _ = work(**CLASSIFY)
    rng = random.Random(0)
    page.evaluate(WATCH)
    for _ in range(30):
        page.wait_for_timeout(annotate_answers.FASTEST_MS + 15)
        page.keyboard.press(str(rng.randrange(10)))
    saved(page)
    found = answers(opened)
    answered = int(page.locator(".card").get_attribute("data-answered"))
    assert len(found) == answered > 0
    assert found["id"].is_unique
    assert set(zip(found["id"], found["label"], strict=True)) <= set(map(tuple, page.evaluate("window.pressed")))
    look(page)
    # The choices are grey until the next image could be seen, and a key before that is said not to count.
    expect(page.locator(".card:not(.waiting)")).to_be_visible()
    count, waits, said = page.evaluate(TWO_KEYS)
    assert (count, waits) == (str(answered + 1), True)
    assert said in ("Not counted: too quick to have been seen. Look again.", "Not counted: the image is not there yet.")
    expect(page.locator(".card:not(.waiting)")).to_be_visible()


@pytest.fixture
def many_classes(workspace, make_dataset):
    """A dataset of twelve classes, more than there are number keys."""
    names = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "oil filter", "owl", "pig", "rat"]
    images = {f"{name}/a.png": Image.new("RGB", (40, 30), (20 * n, 90, 200)) for n, name in enumerate(names)}
    opened = make_dataset(images, "zoo")
    collect(opened, **CLASSIFY)
    return workspace.root, opened


@pytest.mark.slow
def test_many_classes_are_searched_by_typing(page, serve, many_classes):
    root, opened = many_classes
    open_at(page, f"{serve(root)}/annotate?annotate.name=ada")
    search = page.get_by_role("combobox", name="Class", exact=True)
    expect(search).to_be_focused()
    look(page)
    page.keyboard.type("fil")
    expect(page.get_by_role("option")).to_have_text(["oil filter"])
    page.keyboard.press("Enter")
    expect(search).to_have_value("")
    look(page)
    page.keyboard.type("o")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[role=option][aria-selected=true]")).to_have_text("owl")
    page.keyboard.press("Enter")
    look(page)
    page.keyboard.press("Backspace")
    look(page)
    page.get_by_role("option", name="gnu").click()
    saved(page)
    names = opened.samples.classes
    assert [names[label] for label in answers(opened)["label"]] == ["oil filter", "gnu"]


# --- select ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tiles_are_ticked_by_mouse_and_keys_and_hsf_follows(page, work):
    opened, address = work(**SELECT)
    tile = page.locator(SHEET)
    expect(tile).to_have_count(10)
    tile.nth(0).click()
    tile.nth(1).click()
    tile.nth(1).click()
    expect(tile.nth(0)).to_have_attribute("aria-checked", "true")
    expect(tile.nth(1)).to_have_attribute("aria-checked", "false")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    expect(page.get_by_text("3: 2 of 10 ticked")).to_be_visible()
    shown, ticked = ids(page, SHEET), ids(page, TICKED)
    assert ticked == [shown[0], shown[2]]
    page.wait_for_timeout(annotate_answers.FASTEST_TILE_MS * 10 + 100)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Back to the last grid")).to_be_visible()
    saved(page, ".sheet")
    found = answers(opened)
    assert found["id"].tolist() == shown
    assert found.loc[found["selected"].astype(bool), "id"].tolist() == ticked
    votes = found[found["control"] == "none"]
    open_at(page, f"{address}/gallery?where=votes%3E0&sort=id&descending=false")
    expect(page.locator(TILES)).to_have_count(len(votes))
    notes = page.locator("[aria-label=Images] .score").all_text_contents()
    expected = votes.sort_values("id")["selected"].astype(float)
    assert notes == [f"HSF {hsf:.2f}" for hsf in expected]


@pytest.mark.slow
def test_ticks_survive_a_reload_and_a_grid_can_be_had_back(page, work):
    opened, address = work(**SELECT)
    tile = page.locator(SHEET)
    tile.nth(4).click()
    tile.nth(7).click()
    before = ids(page, TICKED)
    open_at(page, f"{address}/annotate?annotate.name=ada")
    expect(page.locator(TICKED)).to_have_count(2)
    assert ids(page, TICKED) == before
    page.wait_for_timeout(annotate_answers.FASTEST_TILE_MS * 10 + 100)
    shown = ids(page, SHEET)
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("button", name="Back to the last grid").click()
    expect(page.locator(TICKED)).to_have_count(2)
    assert ids(page, SHEET) == shown
    saved(page, ".sheet")
    assert answers(opened).empty


@pytest.mark.slow
def test_ticks_of_people_leave_a_vote_file_in_use_until_home_is_told_to_use_them(page, human_root, serve):
    opened = open_dataset(Workspace(human_root), "digits")
    collect(opened, **SELECT)
    grid = annotate_queue.next_grid(opened.decisions, opened.votes, opened.run, "ada")
    tick(opened, "ada", grid, grid.ids)
    open_at(page, f"{serve(human_root)}/")
    line = page.get_by_text("HSF uses k-way votes: 89,850 imported, 0 given in the app")
    expect(line).to_contain_text(f"Not counted: {len(grid.ids) - 4} ticks of people.")
    page.get_by_role("button", name="Use them").click()
    expect(page.get_by_text("Not counted: 89,850 answers of people.")).to_be_visible()
    opened.refresh()
    assert opened.samples.frame()["votes"].sum() == len(grid.ids) - 4
