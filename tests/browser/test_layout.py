"""Where things lie: the bar below a grid at any height of the window, and the logo beside the navigation."""

from tests.browser.pages import TILES, expect, open_at, settled

#: True where an element's lower edge lies in the last 40 px of the window.
ENDS_THE_WINDOW = """element => {
  const {bottom} = element.getBoundingClientRect();
  return innerHeight - 40 < bottom && bottom <= innerHeight;
}"""


def bottom(locator):
    box = locator.bounding_box()
    return box["y"] + box["height"]


def ends_the_window(page, element):
    """Waits until there is no dead band below an element, and nothing of it below the window."""
    page.wait_for_function(ENDS_THE_WINDOW, arg=element.element_handle())


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
