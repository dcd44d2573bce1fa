"""The strip at the foot of a page in a real browser: it counts at once, shows pairs of pictures, and moves nothing."""

import csv

import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.suspects.store import suspects_of
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import TILES, expect, open_at, settled, unheard
from tests.fakes.workspaces import copied

#: Notes what has moved up or down that nobody had just touched, and from where to where.
WATCH_SHIFTS = """window.shifts = []; new PerformanceObserver(list => {
  for (const entry of list.getEntries()) for (const {node, previousRect, currentRect} of entry.sources)
    if (previousRect.y !== currentRect.y) window.shifts.push([node?.className ?? '', previousRect.y, currentRect.y]);
}).observe({type: 'layout-shift', buffered: true});"""

#: Where each part of the strip begins, as it is and while Streamlit has not drawn it, which then knows no name either.
PLACES = """() => {
  return [...document.querySelector('.st-key-strip').children].map(part => {
    const before = part.getBoundingClientRect();
    const known = [part.className, ...part.childNodes];
    part.className = '';
    part.innerHTML = '<div style="height: 15px">';
    const {x, y} = part.getBoundingClientRect();
    part.className = known.shift();
    part.replaceChildren(...known);
    return [[before.x, before.y], [x, y]];
  });
}"""


@pytest.fixture
def root(suspects_root, plant_map, tmp_path):
    own = copied(suspects_root, tmp_path / "own")
    plant_map(own)
    return own


def test_the_strip_counts_before_the_page_runs_and_shows_pairs_of_pictures(page, serve, root):
    address = serve(root)
    open_at(page, f"{address}/gallery?sort=id&descending=false")
    counts = page.locator(".counts")
    expect(counts).to_have_text("Nothing decided yet")
    expect(counts).to_be_disabled()
    page.locator(TILES).first.focus()
    with unheard(page):  # the page cannot run again
        page.keyboard.press("x")
        expect(counts).to_have_text("1 excluded")
        page.keyboard.press("x")
        expect(counts).to_have_text("2 excluded")
    settled(page)
    page.keyboard.press("l")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    expect(counts).to_have_text("1 relabelled, 2 excluded")
    settled(page)
    counts.click()
    dialog = page.get_by_role("dialog")
    first = dialog.locator("figure").first
    opened = open_dataset(Workspace(root), "digits")
    expect(first).to_have_attribute("aria-label", f"image 2: {opened.samples.sample(2)['label_name']}, now 7")
    expect(dialog.locator("figure img")).to_have_count(6)  # before and after
    expect(dialog.locator("figure .out")).to_have_count(2)
    page.wait_for_function("[...document.querySelectorAll('figure img')].every(image => image.naturalWidth)")
    dialog.get_by_role("link", name="In the gallery").first.click()
    expect(dialog).to_be_hidden()
    expect(settled(page).locator(TILES)).to_have_count(1)
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download labels").click()
    rows = list(csv.DictReader(downloaded.value.path().read_text(encoding="utf-8").splitlines()))
    assert len(rows) == opened.samples.size - 2
    assert [row["curated_label_name"] for row in rows if row["id"] == "2"] == ["7"]


@pytest.mark.slow
def test_the_strip_counts_one_by_one_on_suspects_and_is_gone_elsewhere(page, serve, root):
    address = serve(root)
    open_at(page, f"{address}/suspects")
    for key, text in (("a", "1 relabelled"), ("k", "1 relabelled, 1 kept"), ("z", "1 relabelled")):
        page.locator(".review[data-ready]").wait_for()
        page.keyboard.press(key)
        expect(page.locator(".counts")).to_have_text(text)
    settled(page).locator(".counts").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_role("link", name="By day and person").click()
    expect(settled(page).get_by_role("dialog")).to_be_hidden()
    expect(page.locator(".counts")).to_have_count(0)
    page.get_by_role("link", name="Map", exact=True).first.click()
    expect(settled(page).locator(".counts")).to_have_text("1 relabelled")
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gallery", "suspects", "map"])
def test_the_strip_moves_nothing_as_a_page_opens_and_as_its_counts_change(own_page, serve, root, name):
    opened = open_dataset(Workspace(root), "digits")
    page = own_page
    page.add_init_script(WATCH_SHIFTS)
    open_at(page, f"{serve(root)}/{name}")
    strip = page.locator(".st-key-strip")
    place = strip.bounding_box()
    assert place["y"] + place["height"] == page.viewport_size["height"]
    annotate(opened.decisions, suspects_of(opened.run)[-1].suspects()["id"].tolist()[:12], "exclude")
    page.reload()
    expect(settled(page).locator(".counts")).to_have_text("12 excluded")
    assert strip.bounding_box()["y"] == place["y"]
    assert [shift for shift in page.evaluate("window.shifts") if "strip" in shift[0]] == []
    assert all(drawn == undrawn for drawn, undrawn in page.evaluate(PLACES))
    for size in ({"width": 1360, "height": 900}, {"width": 390, "height": 844}):
        page.set_viewport_size(size)
        bottom = strip.bounding_box()["y"]
        assert page.locator("[data-testid=stMain]").evaluate("main => main.getBoundingClientRect().bottom") <= bottom
        expect(page.get_by_role("button", name="Download labels")).to_be_in_viewport(ratio=1)
