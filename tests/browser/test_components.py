"""Components alone on a page with made-up data, and the grid as a notebook has it: what needs a browser and no app."""

import numpy as np
import pytest

import avhcurate
from avhcurate.datasets.table.filters import Filters
from tests.browser.pages import TILES, drag, expect, focused, spot
from tests.fakes import components


@pytest.fixture(scope="module")
def alone():
    """The address of the pages of components."""
    with components.served() as address:
        yield address


@pytest.fixture
def component(page, alone):
    """Opens the page of a component."""

    def opened(name):
        page.goto(f"{alone}/{name}")
        expect(page.locator("#host[data-mounted]")).to_be_attached()
        return page

    return opened


def selected(page):
    return page.locator(f"{TILES}[aria-selected=true]").evaluate_all("all => all.map(tile => Number(tile.dataset.id))")


def says_selected(page, number):
    expect(page.locator(".chosen")).to_have_text(f"{number:,} selected" * bool(number))


def test_each_component_draws_what_it_is_sent(component):
    shows = {
        "chips": "Class cat or dog",
        "classify": "a class with a rather long name",
        "facets": "Class",
        "grid": "cat → dog",
        "review": "7 of 10 say cat",
        "scatter": "Weights",
        "ticks": "Submit",
        "viewer": "Restore label",
    }
    assert shows.keys() == components.EXAMPLES.keys()
    for name, text in shows.items():
        expect(component(name).get_by_text(text).first).to_be_attached()


def test_ctrl_shift_and_the_corner_select_and_a_box_takes_what_it_touches(component):
    page = component("grid")
    tile = page.locator(TILES)
    tile.nth(2).click(modifiers=["Control"])
    says_selected(page, 1)
    tile.nth(6).click(modifiers=["Shift"])
    says_selected(page, 5)
    tile.nth(9).click(modifiers=["Control"])
    tile.nth(4).click(modifiers=["Control"])
    says_selected(page, 5)
    assert selected(page) == [2, 3, 5, 6, 9]
    tile.nth(12).hover()
    tile.nth(12).locator(".check").click()
    says_selected(page, 6)
    columns = int(page.locator("[aria-label=Images]").get_attribute("aria-colcount"))
    drag(page, spot(tile.nth(0), 40, 40), spot(tile.nth(columns + 1), 40, 40))
    assert selected(page) == [0, 1, columns, columns + 1]
    assert page.evaluate("sent") == []


def test_the_keyboard_moves_extends_toggles_and_clears_and_a_decision_names_ids(component):
    page = component("grid")
    page.locator(TILES).nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert focused(page) == 2
    page.keyboard.press("Space")
    says_selected(page, 1)
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    says_selected(page, 3)
    page.keyboard.press("Control+a")
    says_selected(page, components.COUNT)
    page.keyboard.press("Escape")
    says_selected(page, 0)
    page.keyboard.press("End")
    assert focused(page) == components.COUNT - 1
    expect(page.locator(f"{TILES}[data-id='{components.COUNT - 1}'] img")).to_be_visible()
    page.keyboard.press("Home")
    assert focused(page) == 0
    page.keyboard.press("Control+a")
    page.keyboard.press("1")
    page.wait_for_function("sent.length")
    ((name, decided),) = page.evaluate("sent")
    assert (name, decided["kind"], decided["value"]) == ("decided", "relabel", 0)
    assert decided["ids"] == [[0, components.COUNT]]  # the server has said which they are


def test_a_notebooks_grid_scrolls_selects_tags_labels_and_undoes_by_messages_alone(own_page, alone, tmp_path):
    """The widget's script with a model whose messages a test carries to the widget in this process."""
    pytest.importorskip("anywidget", reason="anywidget is not installed: pip install 'avhcurate[notebook]'")
    from avhcurate.notebook.grid import SampleGrid

    images = np.arange(200, dtype=np.uint8)[:, None, None] * np.ones((16, 16), np.uint8)
    shades = avhcurate.dataset("shades", images, ["dark", "light"] * 100, workspace=tmp_path / "space")
    widget = SampleGrid(shades, Filters(), sort="id", height=400)
    page = own_page
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(alone)))
    components.show_widget(widget)
    page.goto(f"{alone}/notebook")
    tile, message = page.locator(TILES), page.locator(".message")
    expect(tile.first.locator("img[src^='blob:']")).to_be_visible()
    tile.nth(1).click()
    tile.nth(3).click(modifiers=["Shift"])
    expect(page.locator(".chosen")).to_have_text("3 selected")
    page.keyboard.press("t")
    page.keyboard.type("grey")
    page.keyboard.press("Enter")
    expect(message).to_contain_text("3 images tagged grey")
    assert widget.ids == shades.frame("list_contains(tags, 'grey')")["id"].tolist() == [1, 2, 3]
    page.keyboard.press("2")
    expect(message).to_contain_text("1 image labelled light")
    page.keyboard.press("u")
    expect(message).to_contain_text("Undid relabel on 1 image")
    shades.exclude([0])  # in Python, which the grid shows with its next message
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    expect(page.locator(f"{TILES}[data-id='199'] img[src^='blob:']")).to_be_visible()
    page.keyboard.press("x")
    expect(message).to_contain_text("1 image excluded")
    assert shades.frame("excluded OR id = 199")["id"].tolist() == []
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    says_selected(page, 2)
    page.keyboard.press("x")
    expect(message).to_contain_text("2 images excluded")
    says_selected(page, 0)
    assert widget.ids == []
    assert {address for address in asked if not address.startswith("blob:")} == {"/notebook", "/notebook/messages"}
