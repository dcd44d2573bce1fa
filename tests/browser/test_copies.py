"""Copies across splits in a browser: Home counts them and leads to them."""

import pytest

from tests.browser.pages import expect, open_at, settled


@pytest.mark.slow
def test_home_counts_copies_of_training_images_and_leads_to_them(page, serve, demo_root, planted_root):
    open_at(page, f"{serve(demo_root)}/?dataset=digits").get_by_role("link", name="Look for copies").click()
    expect(settled(page).get_by_role("heading", name="The images are not measured yet")).to_be_visible()
    open_at(page, f"{serve(planted_root)}/?dataset=pets")
    expect(page.get_by_text("images of test have a copy in the training split")).to_be_visible()
    page.get_by_role("link", name="See the copies").click()
    expect(settled(page).get_by_text("Group 1 · 2 images")).to_be_visible()
    assert "quality.only=leak" in page.url
