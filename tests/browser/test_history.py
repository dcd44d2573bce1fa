"""What stands still and where Back leads, in a real browser: over a filter, and from a chart to its images."""

import re
from urllib.parse import quote, unquote

import pytest

from tests.browser.pages import TILES, centre, expect, hover, open_at, parameter, settled, unanswered, with_parameter

#: Notes in each frame where the facets of the sidebar begin, and what moves later than an act moves it.
WATCH = """() => {
  window.tops = new Set();
  window.shifts = [];
  const look = () => {
    const facets = document.querySelector('[data-testid=stSidebar] .st-key-facets');
    window.tops.add(facets.getBoundingClientRect().top);
    requestAnimationFrame(look);
  };
  look();
  const box = ({x, y, width, height}) => [x, y, width, height].map(Math.round);
  new PerformanceObserver(list => {
    for (const {hadRecentInput, value, sources} of list.getEntries()) {
      if (!hadRecentInput) window.shifts.push(
        [value, ...sources.map(({node, previousRect, currentRect}) =>
          `${node?.className} ${node?.textContent?.slice(0, 40)} ${box(previousRect)} > ${box(currentRect)}`)]);
    }
  }).observe({type: 'layout-shift'});
}"""


def class_bar(page, name):
    return page.get_by_role("group", name="Class", exact=True).get_by_role("button", name=f"{name}: ")


@pytest.mark.slow
def test_the_page_stands_still_over_a_filter_at_a_slow_server(page, serve, slow_down, demo_root):
    """At a server so slow that what moves late moves after the half second in which a shift counts as wanted."""
    open_at(page, f"{serve(demo_root)}/gallery")
    slow_down(0.8)
    page.evaluate(WATCH)
    for name in ("3", "5"):
        class_bar(page, name).click()
        expect(page.locator(".facets.waiting .count").first).to_be_visible()  # numbers of before, in grey
        expect(page).to_have_url(with_parameter("class", f"[0-9%C,]*{name}"))
        expect(settled(page).locator(".facets.waiting")).to_have_count(0)
    assert page.evaluate("shifts") == []
    assert len(page.evaluate("[...tops]")) == 1


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
@pytest.mark.parametrize(
    ("back", "images", "address"), [(1, "183", "[?&]class=3(&|$)"), (2, "1,797", "^((?!class).)*$")]
)
def test_back_before_the_browser_hears_of_a_filter_agrees_with_the_page(page, serve, demo_root, back, images, address):
    open_at(page, f"{serve(demo_root)}/gallery")
    for name, there in (("3", "3(&|$)"), ("5", "3%2C5")):
        class_bar(page, name).click()
        expect(page).to_have_url(with_parameter("class", there))
        settled(page)
    page.evaluate("window.lag = 1500")
    class_bar(page, "7").click()
    page.wait_for_timeout(500)  # the server has the filter, and its answer is on the way
    page.evaluate("back => history.go(-back)", back)
    expect(page.get_by_text(f"{images} of 1,797 images match")).to_be_visible()
    page.wait_for_timeout(1500)  # until all that was on the way is there
    expect(settled(page)).to_have_url(re.compile(address))


@pytest.mark.slow
def test_back_forward_and_reload_lead_where_they_say_at_a_slow_server(page, serve, slow_down, demo_root):
    """None waits for what the one before it asked for: the address and the images agree in the end."""
    matching = {"": 1797, "3": 183, "3%2C5": 365, "3%2C5%2C7": 544}

    def shows(classes):
        expect(page.get_by_text(f"{matching[classes]:,} of 1,797 images match")).to_be_visible()
        assert (parameter(settled(page), "class")) == unquote(classes)

    open_at(page, f"{serve(demo_root)}/gallery")
    slow_down(0.3)
    for classes in ("3", "3%2C5"):
        class_bar(page, classes[-1]).click()
        expect(page).to_have_url(with_parameter("class", f"{classes}(&|$)"))
    page.go_back()
    expect(page).to_have_url(with_parameter("class", "3(&|$)"))
    page.go_forward()
    shows("3%2C5")
    page.go_back()
    page.go_back()
    shows("")
    page.go_forward()
    shows("3")
    page.reload()
    shows("3")
    page.go_forward()
    shows("3%2C5")
    class_bar(page, "7").click()
    page.go_back()  # before the page has heard of the filter
    settled(page)
    shows(quote(parameter(page, "class"), safe=""))


#: Where in the window the mark of a chart lies that counts most of what it leads to.
MARK = """plot => {
  const counted = point => {
    const trace = point.closest('.trace')?.__data__?.[0]?.trace, i = point.__data__?.i;
    return (trace?.meta?.to && trace.meta.n?.[i]) || 0;
  };
  const points = [...plot.querySelectorAll('.point, .slice')].sort((a, b) => counted(b) - counted(a));
  if (!points.length || !counted(points[0])) return null;
  const {x, y, width, height} = points[0].getBoundingClientRect();
  return [x + width / 2, y + height / 2];
}"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "root", "charts"),
    [
        ("?class=3", "trained_root", 2),
        ("models?class=3", "trained_root", 1),
        ("models?models.part=confusion&class=3", "trained_root", 1),
        ("models?models.part=pair", "trained_root", 1),
        ("models?models.part=slices&models.by=split,hsf_bin&bin=1,2", "trained_root", 1),
        ("correlation?class=3", "demo_root", 1),
        ("quality", "planted_root", 1),
        ("training_dynamics?class=3", "filled_root", 1),
        ("degradation?degradation.bins=1&class=3", "filled_root", 1),
        ("annotators", "filled_root", 1),
    ],
)
def test_back_from_the_images_of_each_chart_leads_to_it_as_it_was(own_page, serve, request, place, root, charts):
    page = own_page  # a browser counts no more than 50 addresses
    open_at(page, f"{serve(request.getfixturevalue(root))}/{place}")
    address = page.url
    plots = page.locator(".js-plotly-plot")
    gone = 0
    for number in range(plots.count()):
        plot = settled(page).locator(".js-plotly-plot").nth(number)
        centre(plot)
        mark = plot.evaluate(MARK)
        if not mark:
            continue
        before = page.evaluate("history.length")
        hover(page, mark)
        page.mouse.click(*mark)  # sooner than Plotly looks what lies there
        expect(page).to_have_url(with_parameter("gallery.back"))
        settled(page)
        assert gone or page.evaluate("history.length") == before + 1
        page.go_back()
        expect(page).to_have_url(address)
        expect(settled(page).locator(".js-plotly-plot")).to_have_count(plots.count())
        gone += 1
    assert gone >= charts


@pytest.mark.slow
def test_a_timer_of_the_page_before_leaves_the_address_as_it_is(own_page, serve, trained_root, slow_down):
    page = own_page  # a browser counts no more than 50 addresses
    open_at(page, f"{serve(trained_root)}/?class=3")
    plot = page.locator(".js-plotly-plot").first
    centre(plot)
    mark = plot.evaluate(MARK)
    before = page.evaluate("history.length")
    hover(page, mark)
    slow_down(6)  # that of Home rings every five seconds, while the server runs the gallery and the page does not know
    page.evaluate("window.lag = 6000")
    page.mouse.click(*mark)
    expect(page).to_have_url(with_parameter("gallery.back"))
    page.evaluate("window.lag = 0")
    address = page.url
    expect(page.locator(TILES).first).to_be_visible()
    assert (settled(page).url, page.evaluate("history.length")) == (address, before + 1)


@pytest.mark.slow
def test_an_answer_that_comes_after_a_click_on_another_page_does_not_take_the_click_back(page, serve, own_demo_root):
    open_at(page, f"{serve(own_demo_root)}/gallery")
    page.locator(TILES).first.focus()
    page.evaluate("window.lag = 1500")
    with unanswered(page, "**/decisions/new"):
        page.keyboard.press("x")
        page.get_by_role("link", name="Home", exact=True).first.click()
    expect(page.get_by_role("heading", name="Your own images")).to_be_visible()
    page.evaluate("window.lag = 0")
    expect(settled(page).get_by_role("heading", name="Your own images")).to_be_visible()
