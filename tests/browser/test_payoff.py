"""Payoff in a browser: keys check locked images one after another, and what was checked is there after a reload."""

import numpy as np

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.locked import locked_mask
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.payoff import service
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import expect, open_at, settled
from tests.fakes.waiting import wait_until
from tests.fakes.workspaces import lock_before_scoring


def test_keys_check_locked_images_and_the_sentence_stays_first(page, serve, own_demo_root):
    table = lock_before_scoring(open_table(Workspace(own_demo_root), "digits"))
    threes = np.flatnonzero((table.dataset.labels() == 3) & ~locked_mask(table))
    annotate(table, threes[:40].tolist(), "relabel", 8)
    address = f"{serve(own_demo_root)}/payoff?dataset=digits"
    open_at(page, address)
    sentence = page.get_by_role("heading", name="40 decisions changed accuracy")
    expect(sentence).to_contain_text("they hurt")
    page.get_by_role("button", name="Check locked images by hand").click()
    picture = page.get_by_alt_text("The image to check")
    seen = []
    for key in ("1", "0"):
        settled(page)
        seen.append(picture.get_attribute("src"))
        page.keyboard.press(key)
        wait_until(lambda: picture.get_attribute("src") != seen[-1])
    table.refresh()
    checks = service.checks(table)
    assert len(checks) == 2
    assert list(checks.values())[1] == -1
    page.reload()
    settled(page)
    expect(picture).to_be_visible()
    assert picture.get_attribute("src") not in seen
