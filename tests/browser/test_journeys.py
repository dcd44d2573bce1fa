"""What each user comes for, from the first page to the file they leave with, which is read again."""

import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd

from avhcurate.annotate import answers, setup
from avhcurate.annotate.setup import CollectionSettings
from avhcurate.data.workspace import Workspace
from avhcurate.disagreement.service import disagree
from avhcurate.suspects.store import suspects_of
from avhcurate.table.dataset_table import open_table
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
    first, second = suspects_of(table.run)[-1].suspects().query("agreement >= 1").head(2).itertuples()
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
    rows = read_csv(page, r"Download 1,797 samples").set_index("id")
    assert rows.loc[first.id, "curated_label"] == first.suggested != rows.loc[first.id, "label"]
    others = rows.drop(first.id)
    assert (others["curated_label"] == others["label"]).all()


def test_the_gap_between_people_and_the_network_is_tagged_and_exported(page, own_demo_root, serve):
    gap = disagree(open_table(Workspace(own_demo_root), "digits"), key="avh")
    ids = gap.ids["hard_for_network"]
    address = serve(own_demo_root)
    open_at(page, f"{address}/disagreement")
    page.locator("[class*=st-key-gap-tag-hard_for_network] button").first.click()
    page.get_by_role("button", name=f"Tag {len(ids):,} samples").click()
    expect(page.get_by_text(f"{len(ids):,} images tagged hard-for-network")).to_be_visible()
    settled(page).keyboard.press("Escape")
    settled(page).locator(".st-key-gap-export-hard_for_network button").first.click()
    rows = read_csv(page, rf"Download {len(ids):,} samples")
    assert rows["id"].tolist() == list(ids)
    assert set(rows["set"]) == {"hard_for_network"}
    open_at(page, f"{address}/gallery?tag=hard-for-network")
    export(page)
    tagged = read_csv(page, rf"Download {len(ids):,} samples")
    assert set(tagged["id"]) == set(ids)
    assert set(tagged["tags"]) == {"hard-for-network"}


def test_two_people_vote_in_their_own_browsers_and_their_votes_leave_in_a_file(new_context, serve, own_demo_root):
    table = open_table(Workspace(own_demo_root), "digits")
    setup.configure(table, CollectionSettings(design="classify", target=2, control_share=0.0), who="lead")
    address = serve(own_demo_root)
    given = {}
    for name, key in (("ada", "4"), ("bob", "9")):
        context = new_context()
        page = context.new_page()
        open_at(page, f"{address}/annotate?annotate.name={name}")
        card = page.locator(".card")
        for _ in range(2):
            page.locator(".stage img.on").wait_for()
            page.wait_for_timeout(answers.FASTEST_MS + 30)
            given.setdefault(name, {})[int(card.get_attribute("data-item"))] = int(key)
            before = card.get_attribute("data-answered")
            page.keyboard.press(key)
            expect(card).not_to_have_attribute("data-answered", before)
        expect(card).to_have_attribute("data-unsaved", "0")
        if name == "ada":
            context.close()
    open_at(page, f"{address}/annotators")
    rows = read_csv(page, "Download votes as CSV")
    context.close()
    names = table.frame(columns=["id", "path"]).set_index("id")["path"]
    said = {(row.annotator, row.path): int(row.label) for row in rows.itertuples()}
    assert said == {(name, names[id]): label for name, answered in given.items() for id, label in answered.items()}


def test_a_region_of_the_map_becomes_a_set_and_leaves_in_a_file(page, own_demo_root, plant_map, serve):
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
    expect(page.get_by_text(f"{len(threes)} of 1,797 samples in the region")).to_be_visible()
    settled(page).get_by_role("button", name="Save as set").click()
    name = page.get_by_role("combobox", name=re.compile("Name"))
    name.fill("threes")
    name.press("Enter")
    settled(page).get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(f"{len(threes)} samples saved as “threes”")).to_be_visible()
    open_at(page, f"{address}/gallery?set=threes")
    export(page)
    choose(page, "gallery-export_format", "JSON lines")
    with settled(page).expect_download() as download:
        page.get_by_role("button", name=f"Download {len(threes)} samples as JSON lines").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == threes
