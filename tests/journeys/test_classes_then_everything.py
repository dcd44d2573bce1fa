"""Classes are merged, taken back and split by keys and renamed in a shell; then all that one does next agrees."""

import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import NOTHING_KEPT, expect, open_at, settled
from tests.fakes.waiting import wait_until
from tests.journeys.pictures import all_loaded
from tests.matrix.exports import FORMS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
#: What one does next in a shell, and how it may end.
NEXT = {
    "classes digits": 0,
    "models digits": 0,
    "correlate digits": 0,
    "suspects digits": 0,
    "neighbours digits": 0,
    "select digits --rule confidence --portion 0.5 --out pseudo.csv": 0,
    "split digits --shares 0.8,0.2 --out split.csv": 0,
    "report digits --out report.html": 0,
    "report digits --card README.md": 0,
    "score digits --model avhcurate:digits --head fit --no-lock": 0,
    "disagree digits": 0,
    "check": 0,
}
PAGES = ("", "gallery", "suspects", "classes", "correlation", "disagreement", "models", "saved?saved.part=changes")


def test_after_a_merge_its_undo_a_split_and_a_name_everything_agrees(
    page, serve, own_demo_root, cli, tmp_path, monkeypatch
):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    dataset = opened.dataset
    address = serve(own_demo_root)
    open_at(page, f"{address}/classes?dataset=digits")
    merge = page.get_by_role("button", name="Merge")
    expect(merge).to_be_enabled()  # once the pictures are those of the headline
    first, second = page.locator(".proposals .text").inner_text().partition(":")[0].split(" and ")
    assert all_loaded(page)
    page.keyboard.press("m")
    wait_until(lambda: len(dataset.record.classes) == 9)
    settled(page)
    page.keyboard.press("z")
    wait_until(lambda: dataset.record.classes == list(opened.samples.classes))
    settled(page).get_by_text("One that may be two").click()
    split = page.get_by_role("button", name="Split", exact=False).locator("visible=true")
    expect(split).to_be_enabled()
    whole = page.locator(".proposals .text").inner_text().partition(":")[0]
    page.keyboard.press("s")
    wait_until(lambda: f"{whole} 2" in dataset.record.classes)
    page.wait_for_function(NOTHING_KEPT)

    monkeypatch.chdir(tmp_path)
    place = ("--workspace", own_demo_root)
    assert cli("classes", "digits", "--rename", f"{first}=renamed", *place).code == 0
    classes = dataset.record.classes
    assert "renamed" in classes
    assert second in classes
    for call, code in NEXT.items():
        ended = cli(*call.split(), *place)
        assert ended.code == code, (call, ended.err)

    labels = None
    for form, (ending, read) in FORMS.items():
        out = tmp_path / f"out-{form}{ending}"
        assert cli("export", "digits", "--format", form, "--out", out, *place).code == 0
        found = read(out)
        labels = labels or found
        assert {path: labels[path] for path in found} == found, form
        assert len(found) >= len(labels) - (form == "cleanlab") * dataset.labels().size
    given = dataset.samples(["path", "label"])
    assert labels == dict(zip(given["path"], [classes[label] for label in given["label"]], strict=True))
    assert set(pd.Series(labels)) == set(classes)

    for place_of in PAGES:
        open_at(page, f"{address}/{place_of}{'&' if '?' in place_of else '?'}dataset=digits")
        all_loaded(page)
        assert page.get_by_test_id("stException").count() == 0, place_of
    open_at(page, f"{address}/gallery?dataset=digits&class={classes.index('renamed')}")
    assert all_loaded(page)
    expect(page.locator("[aria-label=Images] .title").first).to_have_text("renamed")
