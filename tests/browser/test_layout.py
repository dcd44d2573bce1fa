"""Where things lie: the bar below a grid at any height of the window, the navigation, and the content."""

import pytest

from tests.browser.pages import TILES, expect, open_at, settled

#: True where an element's lower edge lies in the last 40 px of the window above its strip.
ENDS_THE_WINDOW = """element => {
  const {bottom} = element.getBoundingClientRect();
  const end = innerHeight - document.querySelector('.st-key-strip').offsetHeight;
  return end - 40 < bottom && bottom <= end;
}"""


def bottom(locator):
    box = locator.bounding_box()
    return box["y"] + box["height"]


def ends_the_window(page, element):
    """Waits until there is no dead band below an element, and nothing of it below the window."""
    page.wait_for_function(ENDS_THE_WINDOW, arg=element.element_handle())


@pytest.mark.slow
def test_the_bar_ends_the_window_and_is_reached_by_scrolling_at_200_percent_zoom(page, serve, demo_root):
    page.set_viewport_size({"width": 1440, "height": 900})
    open_at(page, f"{serve(demo_root)}/gallery")
    bar, hint = page.get_by_role("toolbar"), page.locator(".hint").first
    expect(page.locator(f"{TILES} img").first).to_be_visible()
    ends_the_window(page, hint)
    assert bottom(page.locator(".scroller").first) <= bar.bounding_box()["y"]

    page.set_viewport_size({"width": 720, "height": 450})
    settled(page)
    assert bar.evaluate("bar => getComputedStyle(bar).position") == "static"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tile = page.locator(TILES).first
    tile.scroll_into_view_if_needed()
    expect(tile.locator("img")).to_be_in_viewport(ratio=1)
    tile.click(modifiers=["Control"])
    button = bar.get_by_role("button", name="Tag", exact=True)
    button.scroll_into_view_if_needed()
    expect(button).to_be_in_viewport(ratio=1)
    expect(page.locator(TILES).nth(1)).to_be_in_viewport()
    button.click()
    expect(page.get_by_role("dialog", name="Act on images")).to_be_in_viewport(ratio=1)


TABS = ["Home", "Gallery", "Map", "Suspects", "Annotate"]


@pytest.mark.slow
def test_places_do_not_move_between_pages_and_the_content_takes_the_window(page, serve, demo_root):
    address, places = serve(demo_root), []
    for name in ("gallery", "correlation"):
        open_at(page, f"{address}/{name}")
        tabs = page.locator(".st-key-navigation [data-testid=stPageLink-NavLink]:visible")
        assert [tab.inner_text().split("\n")[-1] for tab in tabs.all()] == TABS
        places.append([tab.bounding_box()["x"] for tab in tabs.all()])
        title = page.get_by_role("heading", level=1).bounding_box()
        assert title["y"] < 90
        assert title["x"] - page.locator("[data-testid=stSidebar]").bounding_box()["width"] < 30
    assert max(abs(x - y) for x, y in zip(*places, strict=True)) < 8, "the open tab is bold, which moves others little"
    table = page.locator(".avh-table").first
    assert table.evaluate("table => table.scrollWidth <= table.clientWidth"), "the table fits the window"

    page.set_viewport_size({"width": 390, "height": 844})
    settled(page)
    menu = page.get_by_role("button", name="Analysis")
    assert {round(tab.bounding_box()["y"]) for tab in tabs.all()} == {round(tabs.first.bounding_box()["y"])}
    assert menu.bounding_box()["x"] + menu.bounding_box()["width"] <= 390
    menu.click()
    questions = page.get_by_text("What does a network learn first?")
    questions.scroll_into_view_if_needed()
    expect(questions).to_be_in_viewport()
    page.get_by_role("link", name="Quality").click()
    expect(page.get_by_role("heading", level=1, name="Quality")).to_be_visible()
    expect(questions).to_be_hidden()

    page.set_viewport_size({"width": 1360, "height": 900})
    open_at(page, f"{address}/gallery?sample=5")
    assert page.locator(".st-key-title").bounding_box()["height"] < 60, "one line, also next to the details"


#: What an element covers of what can be read or clicked, the head of the sidebar left out, which holds the logo.
COVERED = """element => {
  const {left, right, top, bottom} = element.getBoundingClientRect();
  const others = document.querySelectorAll(':is(a, button, input, h1, p, label):not([data-testid=stSidebarHeader] *)');
  return [...others].filter(one => {
    const box = one.getBoundingClientRect();
    const apart = box.right <= left || box.left >= right || box.bottom <= top || box.top >= bottom;
    return one.checkVisibility({visibilityProperty: true}) && box.width && !apart && !element.contains(one);
  }).map(one => one.outerHTML.slice(0, 200));
}"""


@pytest.mark.slow
def test_a_message_covers_nothing(page, serve, own_demo_root):
    address = serve(own_demo_root)
    for width in (1360, 1280, 1100):
        page.set_viewport_size({"width": width, "height": 900})
        open_at(page, f"{address}/gallery")
        page.get_by_role("button", name="Save view").click()
        page.get_by_label("Name").fill(f"a rather long name of a view, at {width} pixels")
        page.keyboard.press("Enter")
        toast = page.get_by_test_id("stToast")
        expect(toast).to_contain_text("saved")
        settled(page)
        assert toast.evaluate(COVERED) == [], width
