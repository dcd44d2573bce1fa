"""What stands still and where Back leads, in a real browser: over a filter, and from a chart to its images."""

import pytest

from tests.browser.pages import chart, expect, hover, open_at, settled, with_parameter

#: Notes in each frame where the facets of the sidebar begin.
WATCH = """() => {
  window.tops = new Set();
  const look = () => {
    const facets = document.querySelector('[data-testid=stSidebar] .st-key-facets');
    window.tops.add(Math.round(facets.getBoundingClientRect().top));
    requestAnimationFrame(look);
  };
  look();
}"""


def class_bar(page, name):
    return page.get_by_role("group", name="Class", exact=True).get_by_role("button", name=f"{name}: ")


def test_the_sidebar_stands_still_over_a_filter(page, serve, demo_root):
    open_at(page, f"{serve(demo_root)}/gallery")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page.evaluate(WATCH)
    for name in ("3", "5"):
        class_bar(page, name).click()
        expect(page).to_have_url(with_parameter("class", f"[0-9%C,]*{name}"))
        settled(page)
    assert len(page.evaluate("[...window.tops]")) == 1


def test_back_right_after_a_filter_takes_it_away(page, serve, demo_root):
    open_at(page, f"{serve(demo_root)}/gallery")
    class_bar(page, "3").click()
    expect(page).to_have_url(with_parameter("class", "3"))
    settled(page)
    class_bar(page, "5").click()
    expect(page).to_have_url(with_parameter("class", "3%2C5"))
    page.go_back()
    expect(page.get_by_text("183 of 1,797 images match")).to_be_visible()
    expect(settled(page)).to_have_url(with_parameter("class", "3(&|$)"))


@pytest.mark.slow
def test_back_from_the_images_of_a_mark_leads_to_its_chart_as_it_was(page, serve, demo_root):
    open_at(page, f"{serve(demo_root)}/?class=3")
    address = page.url
    plot = chart(page, "home-hsf")
    bars = plot.locator(".bars .point").all()
    box = max((bar.bounding_box() for bar in bars), key=lambda box: box["height"])
    before = page.evaluate("history.length")
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    hover(page, place)
    page.mouse.click(*place)
    expect(page).to_have_url(with_parameter("gallery.back"))
    settled(page)
    assert page.evaluate("history.length") == before + 1
    page.go_back()
    expect(page).to_have_url(address)
    expect(settled(page).locator(".js-plotly-plot").first).to_be_visible()
