"""Payoff in a browser: keys check locked images one after another, and what was checked is there after a reload."""

import numpy as np
import pytest
from PIL import Image

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.locked import locked_mask
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.payoff import service
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import NOTHING_KEPT, expect, judged, open_at, settled
from tests.fakes.workspaces import lock_before_scoring


def test_keys_check_locked_images_and_the_sentence_stays_first(page, serve, own_demo_root):
    opened = lock_before_scoring(open_dataset(Workspace(own_demo_root), "digits"))
    threes = np.flatnonzero((opened.dataset.labels() == 3) & ~locked_mask(opened.dataset))
    annotate(opened.decisions, threes[:100].tolist(), "relabel", 8)
    address = f"{serve(own_demo_root)}/payoff?dataset=digits"
    open_at(page, address)
    sentence = page.get_by_role("heading", name="100 decisions changed accuracy")
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
    opened.refresh()
    assert service.checks(opened.decisions) == checks
    page.reload()
    settled(page)
    expect(card).to_have_attribute("data-item", id)


@pytest.mark.slow
def test_from_a_folder_to_a_verdict_without_a_form(page, serve, workspace, tmp_path):
    rng = np.random.default_rng(0)
    tones = {"cat": (200, 60, 60), "dog": (60, 200, 60), "emu": (60, 60, 200)}
    for number in range(240):
        name = list(tones)[number % 3]
        tone = tones[list(tones)[(number + 1) % 3]] if number % 10 == 0 else tones[name]
        pixels = np.clip(rng.normal(tone, 60, (32, 32, 3)), 0, 255).astype(np.uint8)
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:03}.png")
    open_at(page, serve(workspace.root))
    path = page.get_by_label("Or a path on the server").first
    path.fill(str(tmp_path / "photos"))
    path.press("Enter")
    for place in range(10):
        judged(page, place)
        page.keyboard.press("a")
    expect(page.locator(".counts")).to_have_text("10 relabelled")
    page.wait_for_function(NOTHING_KEPT)
    page.get_by_text("Locked images are not listed").wait_for()
    open_at(page, page.url.replace("/suspects", "/payoff"))
    expect(page.get_by_role("heading", name="10 decisions changed accuracy on 48 locked images by")).to_be_visible()
    assert locked_mask(open_dataset(workspace, "photos").dataset).sum() == 48
