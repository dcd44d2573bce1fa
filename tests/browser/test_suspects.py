"""Suspects in a real browser: accept, keep, skip and undo by keys, and typing that is faster than the server."""

import shutil

import pytest

from avhcurate.services import suspecting
from avhcurate.services.tables import open_table
from avhcurate.storage.workspace import Workspace

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
#: On two busy cores a rerun may take seconds.
expect.set_options(timeout=20_000)


def on_screen(page, place):
    """The suspect at a place of the queue, once its picture is there and may be judged."""
    expect(page.locator(".review")).to_have_attribute("data-place", str(place))
    id = page.locator(".review").get_attribute("data-suspect")
    expect(page.locator(".review")).to_have_attribute("data-ready", id)
    expect(page.locator(".stage img.on")).to_be_visible()
    return int(id)


def test_keys_accept_keep_skip_and_undo(page, suspects_root, serve, tmp_path):
    root = shutil.copytree(suspects_root, tmp_path / "own")
    table = open_table(Workspace(root), "digits")
    found = suspecting.read(suspecting.newest(table.run)).query("agreement >= 1")
    ids, suggested = found["id"].tolist(), found["suggested"].tolist()
    page.goto(f"{serve(root)}/suspects")
    assert on_screen(page, 0) == ids[0]
    expect(page.locator(".place")).to_have_text(f"1 of {len(ids)}")
    expect(page.locator(".near img")).to_have_count(12)
    for place, key in enumerate("akaas"):
        assert on_screen(page, place) == ids[place]
        page.keyboard.press(key)
    on_screen(page, 5)
    page.keyboard.press("Backspace")  # takes the third acceptance back, and goes there
    assert on_screen(page, 3) == ids[3]
    page.keyboard.press("z")
    assert on_screen(page, 2) == ids[2]
    page.keyboard.press("k")
    on_screen(page, 3)
    expect(page.locator(".review")).to_have_attribute("data-unsaved", "0")
    table.refresh()
    assert suspecting.decided(table, ids[:5]).tolist() == ["accepted", "kept", "kept", "", ""]
    assert table.sample(ids[0])["curated_label"] == suggested[0]
    page.keyboard.press("ArrowLeft")
    on_screen(page, 2)
    expect(page.locator(".state")).to_have_text("kept")
    # Keys that come before a picture can have been seen decide nothing.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    expect(page.locator(".state")).to_contain_text("Too quick")
    for place in range(3, 14):  # beyond what was handed out at first
        on_screen(page, place)
        page.keyboard.press("s")
    assert on_screen(page, 14) == ids[14]
    page.reload()
    assert on_screen(page, 0) == ids[3]
    expect(page.locator(".place")).to_have_text(f"1 of {len(ids) - 3}")
