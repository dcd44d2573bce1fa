"""The Self-training page in a real browser: a round and two gates are chosen, their images come, the labels go out."""

import re

import pandas as pd
import pytest

from avhcurate.services import rounds
from avhcurate.storage.workspace import Workspace

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

TILES = "[aria-label=Samples] .tile"


def choose(page, key, option):
    """Chooses in a list; the run of the page that the last choice began may close it, and then it is opened again."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=20_000)
    item = page.get_by_role("option", name=option, exact=True)
    for _ in range(5):
        page.locator(f"[class*=st-key-{key}] input, [class*=st-key-{key}] [role=combobox]").first.click()
        try:
            item.click(timeout=4_000)
        except sync_api.TimeoutError:
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"{key} does not offer {option}")


def test_a_round_and_its_gates_are_looked_at_and_its_labels_taken_away(page, serve, self_trained_root):
    found = rounds.trainings(Workspace(self_trained_root), "digits")
    avc = next(folder for folder in found if (folder.record.rule, folder.record.seed) == ("avc", 0))
    page.goto(f"{serve(self_trained_root)}/self_training?selftrain.group={avc.name}&selftrain.run={avc.name}")
    expect(page.locator("[class*=st-key-selftrain-curves] .js-plotly-plot")).to_be_visible(timeout=60_000)
    expect(page.locator(TILES).first).to_be_visible(timeout=20_000)

    choose(page, "selftrain-round", "2")
    expect(page).to_have_url(re.compile(r"selftrain\.round=2"), timeout=20_000)
    choose(page, "selftrain-one", "Confidence")  # which turns the other into AVC
    expect(page).to_have_url(re.compile(r"selftrain\.one=confidence&selftrain\.other=avc"), timeout=20_000)
    rows = avc.selection(2).set_index("id")
    only = rows[rows["by_confidence"] & ~rows["by_avc"]].sort_values("avc", kind="stable")
    expect(page.get_by_text(f"Confidence, not AVC ({len(only)})")).to_be_visible(timeout=20_000)
    expect(page.locator(f"{TILES}[data-id='{only.index[0]}']")).to_be_visible(timeout=20_000)
    shown = page.locator(TILES).evaluate_all("all => all.map(tile => Number(tile.dataset.id))")
    assert shown == only.index[:60].tolist()

    page.locator("[class*=st-key-selftrain-export] button").first.click()
    chosen = rows[rows["selected"]]
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {len(chosen):,} samples").click()
    taken = pd.read_csv(download.value.path()).set_index("id")
    assert taken["pseudo_label"].to_dict() == chosen["candidate"].to_dict()
