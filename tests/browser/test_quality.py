"""Near duplicates in a real browser: a click chooses a group, one of it is kept, and Undo brings the rest back."""

import shutil
from pathlib import Path

from avhcurate.data.workspace import Workspace
from avhcurate.quality.service import find_duplicates
from avhcurate.table.dataset_table import open_table
from tests.browser.pages import TILES, expect, ids, open_at, settled


def test_a_group_is_chosen_by_a_click_kept_to_one_and_brought_back(page, serve, planted_root, tmp_path):
    root = Path(shutil.copytree(planted_root, tmp_path / "planted"))
    found = find_duplicates(open_table(Workspace(root), "pets"))
    open_at(page, f"{serve(root)}/quality?quality.view=duplicates")
    tiles = page.locator(TILES)
    expect(tiles).to_have_count(7)
    heads = page.locator("[aria-label=Samples] .row.begins")
    assert heads.evaluate_all("rows => rows.map(row => row.children.length)") == [2, 3, 2]
    first = heads.first.evaluate("row => getComputedStyle(row, '::before').content")
    assert "across splits · different labels" in first

    tiles.nth(3).click(modifiers=["Control"])
    expect(page.get_by_text("1 selected", exact=True)).to_be_visible()
    settled(page).get_by_role("button", name="Keep one of each group").click()
    expect(tiles).to_have_count(4)
    group = found.members["group"].iloc[3]
    assert ids(page) == found.members["id"][found.members["group"] != group].tolist()
    page.get_by_role("toolbar").get_by_role("button", name="Undo").click()
    expect(tiles).to_have_count(7)
