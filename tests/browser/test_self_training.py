"""The Self-training page in a real browser: a round and two gates are chosen, their images come, the labels go out."""

import pandas as pd

from avhcurate.data.workspace import Workspace
from avhcurate.self_training import results
from tests.browser.pages import TILES, chart, choose, expect, ids, open_at, settled, with_parameter


def test_a_round_and_its_gates_are_looked_at_and_its_labels_taken_away(page, serve, self_trained_root):
    found = results.trainings(Workspace(self_trained_root), "digits")
    avc = next(folder for folder in found if (folder.record.rule, folder.record.seed) == ("avc", 0))
    open_at(page, f"{serve(self_trained_root)}/self_training?selftrain.group={avc.name}&selftrain.run={avc.name}")
    expect(chart(page, "selftrain-curves")).to_be_visible()
    expect(page.locator(TILES).first).to_be_visible()

    choose(page, "selftrain-round", "2")
    expect(page).to_have_url(with_parameter("selftrain.round", "2"))
    choose(page, "selftrain-one", "Confidence")  # which turns the other into AVC
    expect(page).to_have_url(with_parameter("selftrain.one", r"confidence&selftrain\.other=avc"))
    rows = avc.selection(2).set_index("id")
    only = rows[rows["by_confidence"] & ~rows["by_avc"]].sort_values("avc", kind="stable")
    expect(page.get_by_text(f"Confidence, not AVC ({len(only)})")).to_be_visible()
    expect(page.locator(f"{TILES}[data-id='{only.index[0]}']")).to_be_visible()
    assert ids(page) == only.index[: page.locator(TILES).count()].tolist()

    settled(page).locator("[class*=st-key-selftrain-export] button").first.click()
    chosen = rows[rows["selected"]]
    with settled(page).expect_download() as download:
        page.get_by_role("button", name=f"Download {len(chosen):,} samples").click()
    taken = pd.read_csv(download.value.path()).set_index("id")
    assert taken["pseudo_label"].to_dict() == chosen["candidate"].to_dict()
