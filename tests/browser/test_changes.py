"""Changes in a real browser: the story by day and person in pictures, and nothing taken back without a question."""

import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import TILES, expect, intercept, open_at, settled
from tests.fakes.workspaces import by


def test_the_story_shows_pictures_and_takes_one_line_back_after_a_question(page, own_demo_root, serve):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    by("ann", annotate, opened.decisions, [3, 5], "relabel", 7)
    by("ann", annotate, opened.decisions, [10], "exclude")
    by("bob", annotate, opened.decisions, [23, 24, 25], "relabel", 1)
    open_at(page, f"{serve(own_demo_root)}/saved?saved.part=changes")
    ann, bob = (page.locator(f"[class*='st-key-story'][class*='{who}']") for who in ("ann", "bob"))
    expect(ann).to_contain_text("2 relabelled, 1 excluded")
    expect(ann.locator("figure")).to_have_count(3)
    expect(ann.locator("figure").first).to_have_attribute("aria-label", "image 3: 3, now 7")
    page.wait_for_function("[...document.querySelectorAll('figure img')].every(image => image.naturalWidth)")
    page.get_by_role("button", name="Go back to the first moment").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Restore 6 images of 2 people?")
    settled(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    settled(page)
    bob.get_by_role("button", name="Restore").click()
    expect(dialog).to_contain_text("Restore 3 labels of 1 person?")
    settled(page)
    dialog.get_by_role("button", name="Restore", exact=True).click()
    expect(bob).to_have_count(0)
    expect(ann).to_be_visible()
    opened.refresh()
    assert [opened.samples.sample(id)["curated_label"] for id in (3, 5, 23)] == [7, 7, 3]
    assert opened.samples.sample(10)["excluded"]


@pytest.mark.slow
def test_what_somebody_else_decides_shows_also_after_a_cut_in_the_middle_of_an_answer(page, own_demo_root, serve):
    open_at(page, f"{serve(own_demo_root)}/gallery?sort=id&descending=false")
    changes = "**/changes/**"
    intercept(page, changes, lambda route: route.fulfill(body='{"changed'))
    for _ in range(2):  # a page whose questions end with the first cut answer asks no second one
        page.wait_for_event("response", lambda answer: "/changes/" in answer.url)
    page.unroute(changes)
    by("bob", annotate, open_dataset(Workspace(own_demo_root), "digits").decisions, [3], "relabel", 8)
    expect(page.locator(TILES).nth(3).locator(".title")).to_have_text("8")
