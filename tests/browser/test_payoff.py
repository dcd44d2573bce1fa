"""Payoff in a browser: keys check locked images one after another, and what was checked is there after a reload."""

import numpy as np

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.locked import locked_mask
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.payoff import service
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import NOTHING_KEPT, expect, open_at, settled
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
    card = page.locator(".card:not(.waiting)")
    checks = {}
    for key, label in (("1", 1), ("?", -1), ("3", 3)):
        card.locator(".stage img.on").wait_for()
        page.wait_for_timeout(150)  # a quicker answer is not counted
        id = card.get_attribute("data-item")
        checks[int(id)] = label
        page.keyboard.press(key)
        expect(card).not_to_have_attribute("data-item", id)
    page.keyboard.press("Backspace")
    expect(card).to_have_attribute("data-item", id)
    del checks[int(id)]
    page.wait_for_function(NOTHING_KEPT)
    table.refresh()
    assert service.checks(table) == checks
    page.reload()
    settled(page)
    expect(card).to_have_attribute("data-item", id)
