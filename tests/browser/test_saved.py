"""Views and sets in a real browser: saved on one page, opened by their address in a fresh tab, exported."""

import io
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from tests.browser.pages import TILES, expect, open_at, settled


def test_a_saved_view_opens_by_its_address_in_a_fresh_tab_and_a_set_is_saved_and_exported(page, serve, own_demo_root):
    address = serve(own_demo_root)
    open_at(page, f"{address}/gallery?dataset=digits&class=1,8&sort=loss")
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("ones and eights")
    page.keyboard.press("Enter")
    settled(page).get_by_role("button", name="Save view").last.click()
    expect(page.get_by_text("View “ones and eights” saved")).to_be_visible()
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)

    page.get_by_role("button", name="Select all 356 that match").click()
    expect(page.get_by_text("356 selected", exact=True)).to_be_visible()
    settled(page).get_by_role("button", name="Set", exact=True).click()
    page.get_by_role("combobox", name="Save 356 images as a set").fill("all of them")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("356 images saved as “all of them”")).to_be_visible()

    tab = page.context.new_page()
    open_at(tab, f"{address}/saved")
    tab.get_by_role("button", name="More").click()
    tab.get_by_role("menuitem", name="Export").or_(tab.get_by_role("option", name="Export")).click()
    with settled(tab).expect_download() as download:
        tab.get_by_role("button", name="Download 356 samples").click()
    rows = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert len(rows) == 356
    assert set(rows["label"]) == {1, 8}
    settled(tab).get_by_role("button", name="Close").click()

    settled(tab).get_by_text("Views", exact=True).click()
    link = tab.get_by_role("link", name="ones and eights")
    asked = parse_qs(urlsplit(link.get_attribute("href")).query)
    assert (asked["class"], asked["sort"], asked["dataset"]) == (["1,8"], ["loss"], ["digits"])
    settled(tab)
    link.click()
    expect(tab.locator(TILES).first).to_be_visible()
    assert urlsplit(tab.url).path == "/gallery"
    assert parse_qs(urlsplit(tab.url).query)["class"] == ["1,8"]
