"""Suspects in a real browser: accept, keep, skip and undo by keys, and typing that is faster than the server."""

import re

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.suspects import decisions
from avhcurate.features.suspects.rules import by_confusion
from avhcurate.features.suspects.store import suspects_of
from avhcurate.features.suspects.suggestions import suspects_now
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import expect, judged, open_at, settled, unanswered
from tests.fakes.workspaces import copied


def test_keys_accept_keep_skip_and_undo(page, suspects_root, serve, tmp_path):
    root = copied(suspects_root, tmp_path / "own")
    opened = open_dataset(Workspace(root), "digits")
    folder = suspects_of(opened.run)[-1]
    found = folder.suspects()
    ids, suggested = found["id"].tolist(), found["suggested"].tolist()
    open_at(page, f"{serve(root)}/suspects")
    assert judged(page, 0) == ids[0]
    expect(page.locator(".place")).to_have_text(f"1 of {len(ids)}")
    expect(page.locator(".near img")).to_have_count(12)
    for size in ({"width": 1360, "height": 900}, {"width": 390, "height": 844}):  # decisions in the first screen
        page.set_viewport_size(size)
        for button in page.locator(".do").all():
            expect(button).to_be_in_viewport(ratio=1)
    page.set_viewport_size({"width": 1360, "height": 900})
    expect(page.locator(".do kbd").first).to_be_visible()
    for place, key in enumerate("akaas"):
        assert judged(page, place) == ids[place]
        page.keyboard.press(key)
    judged(page, 5)
    page.keyboard.press("Backspace")  # takes the third acceptance back, and goes there
    assert judged(page, 3) == ids[3]
    page.keyboard.press("z")
    assert judged(page, 2) == ids[2]
    page.keyboard.press("k")
    judged(page, 3)
    expect(page.locator(".review")).to_have_attribute("data-unsaved", "0")
    opened.refresh()
    assert decisions.states(opened.samples, ids[:5]).tolist() == ["accepted", "kept", "kept", "", ""]
    expect(page.locator(".tally")).to_have_text("Of 3 you looked at last, 1 was wrong.")
    assert opened.samples.sample(ids[0])["curated_label"] == suggested[0]
    page.keyboard.press("ArrowLeft")
    judged(page, 2)
    expect(page.locator(".state")).to_have_text("kept")
    # Keys that come before a picture can have been seen decide nothing.
    page.evaluate(
        """() => new Promise(done => {
          const press = key => document.body.dispatchEvent(
            new KeyboardEvent('keydown', {key, bubbles: true, composed: true}));
          const stage = [...document.querySelectorAll('*')].map(n => n.shadowRoot?.querySelector('.stage'));
          new MutationObserver((_, watch) => {
            if (!stage.find(Boolean).querySelector('img.on')) return;
            watch.disconnect();
            press('a');
            done();
          }).observe(stage.find(Boolean), {subtree: true, childList: true, attributeFilter: ['class']});
          press('ArrowRight');
        })"""
    )
    expect(page.locator(".state")).to_contain_text("Too quick")
    for place in range(3, 14):  # beyond what was handed out at first
        judged(page, place)
        page.keyboard.press("s")
    assert judged(page, 14) == ids[14]
    page.reload()
    assert judged(page, 0) == ids[3]
    expect(page.locator(".place")).to_have_text(f"1 of {len(ids) - 3}")
    state = page.locator(".state")
    page.keyboard.press("t")
    page.keyboard.type("ask")  # letters that decide, elsewhere
    page.keyboard.press("Enter")
    expect(state).to_have_text("Tagged ask.")
    page.keyboard.press("x")
    assert judged(page, 1) == ids[4]
    expect(state).to_have_text(f"Excluded image {ids[3]}.")
    page.keyboard.press("ArrowLeft")
    judged(page, 0)
    page.keyboard.press("x")
    expect(state).to_have_text("It is excluded already.")
    for _ in range(2):
        page.keyboard.press("u")
        expect(state).to_have_text("Undone: decide again.")
    judged(page, 0)
    expect(page.locator(".review")).to_have_attribute("data-unsaved", "0")
    opened.refresh()
    row = opened.samples.sample(ids[3])
    assert (row["excluded"], list(row["tags"])) == (False, [])


@pytest.mark.slow
def test_the_card_has_a_button_for_each_class_that_is_named(page, suspects_root, serve, tmp_path):
    root = copied(suspects_root, tmp_path / "own")
    opened = open_dataset(Workspace(root), "digits")
    found = suspects_now(opened.samples, opened.votes, suspects_of(opened.run)[-1])
    several = found[(found["named"].map(len) > 1) & (found["suggested"] >= 0)].iloc[:2]
    first, second = several["id"].tolist()
    open_at(page, f"{serve(root)}/suspects?where=id in ({first}, {second})")
    buttons = page.locator(".do:has-text('Accept')")
    for place, (id, key, which) in enumerate([(first, "Shift+A", 1), (second, "", 1)]):
        assert judged(page, place) == id
        classes = several["named"].iloc[place].tolist()
        expect(buttons).to_have_text([f"{('A', '⇧A', '')[min(at, 2)]}Accept {name}" for at, name in enumerate(classes)])
        expect(page.locator(".lead")).to_contain_text(f"say “{classes[0]}”")
        expect(page.locator(".review")).to_have_attribute("data-ready", str(id))
        if key:
            page.keyboard.press(key)
        else:
            buttons.nth(which).click()
        expect(page.locator(".state")).to_contain_text(f"is now {classes[which]}.")
    expect(page.locator(".review")).to_have_attribute("data-unsaved", "0")
    opened.refresh()
    now = [opened.samples.sample(id)["curated_label"] for id in (first, second)]
    assert now == [named[1] for named in several["named"]]


@pytest.mark.slow
def test_groups_are_accepted_kept_and_gone_through_and_counts_run_down(page, suspects_root, serve, tmp_path):
    root = copied(suspects_root, tmp_path / "own")
    opened = open_dataset(Workspace(root), "digits")
    found = by_confusion(suspects_now(opened.samples, opened.votes, suspects_of(opened.run)[-1]))
    pairs = [rows for _, rows in found.groupby(["label", "suggested"], sort=False)][:3]
    ids = [rows["id"].tolist() for rows in pairs]
    sizes = [len(members) for members in ids]

    def titled(rows):
        label, other = rows[["label", "suggested"]].iloc[0]
        return f"of {(opened.dataset.labels() == label).sum()} “{label}” look like “{other}”"

    open_at(page, f"{serve(root)}/suspects?suspects.view=groups")
    headings = page.locator(".heading")
    to_decide = page.get_by_text(f"{len(found)} to decide")
    expect(to_decide).to_be_visible()
    expect(headings.first).to_contain_text(f"{sizes[0]} {titled(pairs[0])}")
    headings.first.get_by_role("button", name="Accept all").click()
    expect(page.get_by_text(f"{len(found) - sizes[0]} to decide")).to_be_visible()
    expect(headings.first).to_contain_text(f"{sizes[1]} {titled(pairs[1])}")
    settled(page)
    headings.first.get_by_role("button", name="None").click()
    expect(headings.first).to_contain_text(f"{sizes[2]} {titled(pairs[2])}")
    opened.refresh()
    states = [set(decisions.states(opened.samples, members)) for members in ids]
    assert states == [{"accepted"}, {"kept"}, {""}]
    settled(page)
    headings.first.get_by_role("button", name="One by one").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".review .place")).to_have_text(f"1 of {sizes[2]}")
    settled(page)
    for place, key in enumerate("axk"):  # each decision counts at once, an exclusion too
        assert judged(page, place) == ids[2][place]
        page.keyboard.press(key)
        expect(page.locator(".undecided")).to_have_text(f"{sizes[2] - place - 1} to decide")
    expect(page.locator(".review")).to_have_attribute("data-unsaved", "0")
    left = len(found) - sizes[0] - sizes[1] - 2
    with unanswered(page, "**/decisions/new"):
        page.keyboard.press("z")
        expect(page.locator(".undecided")).to_have_text(f"{sizes[2] - 2} to decide")
        page.get_by_role("button", name=" → ".join(map(str, pairs[2][["label", "suggested"]].iloc[0]))).click()
        expect(page.locator(".review .place")).to_have_text(f"1 of {left - 1}")  # the server has not heard of the undo
    expect(page.locator(".review .place")).to_have_text(f"1 of {left}")
    expect(page.locator(".undecided")).to_have_text(f"{left} to decide")


@pytest.mark.slow
def test_three_people_are_asked_blind_and_their_answers_come_back_to_the_card(page, suspects_root, serve, tmp_path):
    root = copied(suspects_root, tmp_path / "own")
    opened = open_dataset(Workspace(root), "digits")
    id = suspects_of(opened.run)[-1].suspects()["id"].tolist()[0]
    address = serve(root)
    open_at(page, f"{address}/suspects")
    assert judged(page, 0) == id
    page.keyboard.press("p")
    expect(page.locator(".state")).to_have_text(f"Three people are asked about image {id}.")
    judged(page, 1)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-do=ask]")).to_be_disabled()
    row = page.locator(".evidence tr", has_text="People asked")
    expect(row).to_contain_text("0 of 3 answered")
    annotator = page.context.new_page()
    open_at(annotator, f"{address}/annotate?annotate.name=ada")
    expect(annotator.locator(f".card[data-item='{id}']:not(.waiting)")).to_be_visible()
    for told in ("ask-people", "Suspect", "suggested"):
        expect(annotator.get_by_text(told, exact=False).locator("visible=true")).to_have_count(int(told == "Suspect"))
    annotator.keyboard.press("7")
    expect(annotator.get_by_text("You're done")).to_be_visible()
    annotator.close()
    page.bring_to_front()
    expect(row).to_contain_text("1 of 3 answered: 1 × “7”")  # without a key


@pytest.mark.slow
def test_a_group_says_on_demand_what_accepting_it_does_and_asks_once_where_that_is_to_hurt(
    page, suspects_root, serve, tmp_path
):
    root = copied(suspects_root, tmp_path / "own")
    open_at(page, f"{serve(root)}/suspects?suspects.view=groups")
    expect(page.locator(".heading").first).not_to_contain_text("accepting:")
    page.get_by_text("What would deciding about all").click()
    told = page.locator(".heading").filter(has_text=re.compile(r"accepting: [+-]\d+\.\d points"))
    expect(told.first).to_be_visible()
    settled(page)
    headings = page.locator(".heading").all_inner_texts()
    print(headings)
    hurts = page.locator(".heading").filter(has_text="accepting: -").first
    before = page.get_by_text("to decide").first.inner_text()
    hurts.get_by_role("button", name="Accept all").click()
    again = hurts.get_by_role("button", name=re.compile(r"Accept all \d+ all the same\?"))
    expect(again).to_be_visible()
    assert page.get_by_text("to decide").first.inner_text() == before
    again.click()
    expect(page.get_by_text(before)).to_have_count(0)
