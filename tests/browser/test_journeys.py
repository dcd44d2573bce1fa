"""What each user comes for, from the first page to the file they leave with, which is read again."""

import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.suspects.store import suspects_of
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import choose, expect, on_stage, open_at, scatter, settled, with_parameter


def read_csv(page, button):
    """The rows of the CSV that a button downloads."""
    with settled(page).expect_download() as download:
        page.get_by_role("button", name=re.compile(button)).click()
    return pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))


def export(page):
    """Opens the menu of exports of the gallery."""
    settled(page).get_by_role("button", name="Export", exact=True).click()


def test_label_errors_are_found_corrected_and_leave_in_a_label_file(page, suspects_root, serve, tmp_path):
    root = Path(shutil.copytree(suspects_root, tmp_path / "own"))
    table = open_table(Workspace(root), "digits")
    first, second = suspects_of(table.run)[-1].suspects().head(2).itertuples()
    address = serve(root)
    open_at(page, f"{address}/suspects")
    for place, (suspect, key) in enumerate([(first, "a"), (second, "k")]):
        expect(page.locator(".review")).to_have_attribute("data-place", str(place))
        expect(page.locator(".review")).to_have_attribute("data-ready", str(suspect.id))
        page.keyboard.press(key)
    expect(page.locator(".review")).to_have_attribute("data-place", "2")
    expect(page.locator(".review")).to_have_attribute("data-unsaved", "0")
    open_at(page, f"{address}/gallery?dataset=digits")
    export(page)
    rows = read_csv(page, r"Download 1,797 images").set_index("id")
    assert rows.loc[first.id, "curated_label"] == first.suggested != rows.loc[first.id, "label"]
    others = rows.drop(first.id)
    assert (others["curated_label"] == others["label"]).all()


def test_a_region_of_the_map_opens_in_the_gallery_and_leaves_in_a_file(page, own_demo_root, plant_map, serve):
    plant_map(own_demo_root)
    threes = (Workspace(own_demo_root).dataset("digits").labels() == 3).nonzero()[0].tolist()
    page.set_viewport_size({"width": 1440, "height": 900})
    address = serve(own_demo_root)
    open_at(page, f"{address}/map?map.tool=Box")
    start, end = on_stage(scatter(page), (29, -1), (37.5, 7))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=6)
    page.mouse.up()
    expect(page).to_have_url(with_parameter("map.region"))
    expect(page.get_by_text(f"{len(threes)} of 1,797 images in the region")).to_be_visible()
    settled(page).get_by_role("link", name="Open in Gallery").click()
    expect(page).to_have_url(re.compile("/gallery"))
    export(page)
    choose(page, "gallery-export_format", "JSON lines")
    with settled(page).expect_download() as download:
        page.get_by_role("button", name=f"Download {len(threes)} images as JSON lines").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == threes
