"""Classes in a browser: keys go through pairs, merge one and take it back, and split what was merged."""

import re

import pytest

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.classes.service import classes_of
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import expect, open_at, parameter, pictures_in_sight, settled, unanswered, unheard
from tests.fakes.waiting import wait_until
from tests.fakes.workspaces import copied

#: The names above the images of both sides.
SIDES = """() => [...document.querySelectorAll('[data-testid=stMain] [data-testid=stMarkdown]')]
  .map(({innerText}) => innerText.match(/^(.+) · [\\d,]+ images?$/)?.[1]).filter(Boolean)"""


def test_keys_merge_a_pair_and_split_a_class_and_undo_takes_back(page, serve, own_demo_root):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    pairs = classes_of(opened.samples, opened.run, opened.votes).pairs
    second = pairs.iloc[1]
    open_at(page, f"{serve(own_demo_root)}/classes?dataset=digits")
    expect(page.get_by_role("heading", name=f"{pairs.loc[0, 'first']} and {pairs.loc[0, 'second']}:")).to_be_visible()
    page.keyboard.press("n")
    said = page.get_by_role("heading", name=f"{second['first']} and {second['second']}:")
    expect(said).to_contain_text("% of simulated votes cross, means")
    expect(page.get_by_text(re.compile(rf"^{second['second']} · \d+ images$"))).to_be_visible()  # the images follow
    expect(page.get_by_role("button", name="Merge")).to_be_enabled()
    page.keyboard.press("m")
    wait_until(
        lambda: opened.dataset.record.classes == [name for name in opened.samples.classes if name != second["second"]]
    )
    expect(page.get_by_text(f"{second['first']} is {second['first']} + {second['second']}")).to_be_visible()
    settled(page)
    page.get_by_text("One that may be two").click()
    expect(page.get_by_role("heading", name=f"{second['first']}: two parts")).to_be_visible()
    expect(page.get_by_role("button", name="Split")).to_be_enabled()
    page.keyboard.press("s")
    wait_until(lambda: f"{second['first']} 2" in opened.dataset.record.classes)
    settled(page).get_by_role("button", name="Undo").click()
    page.keyboard.press("z")
    wait_until(lambda: opened.dataset.record.classes == list(opened.samples.classes))
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def shown_pair(page):
    """The two classes of the heading, once they may be merged; the images below are of them."""
    expect(page.get_by_role("button", name="Merge")).to_be_enabled()
    names = re.match(r"(.+) and (.+?):", page.locator(".proposals h2").inner_text()).groups()
    assert page.evaluate(SIDES) == list(names)
    pictures_in_sight(page)
    return names


@pytest.mark.slow
def test_what_is_merged_is_what_is_seen_and_pictures_outlive_all_changes(page, serve, suspects_root, tmp_path):
    root = copied(suspects_root, tmp_path / "own")
    opened = open_dataset(Workspace(root), "digits")
    annotate(opened.decisions, [5, 9], "exclude")  # which Saved shows in pictures
    base = serve(root)
    address = f"{base}/classes?dataset=digits"
    open_at(page, f"{address}&classes.at=2")  # by a place, as older addresses have it
    assert shown_pair(page) == tuple(
        classes_of(opened.samples, opened.run, opened.votes).pairs.loc[1, ["first", "second"]]
    )
    open_at(page, address)
    merged = []
    for keys in ("n", ""):
        for key in keys:
            page.keyboard.press(key)
        merged.append(shown_pair(page))
        settled(page).keyboard.press("m")
        wait_until(lambda: len(opened.dataset.record.classes) == 10 - len(merged))
        assert not set(merged[-1]) <= set(opened.dataset.record.classes)
        expect(page.locator(".proposals h2")).not_to_contain_text(" and ".join(merged[-1]))
        shown_pair(page)
    for keys in ("", "n"):  # from elsewhere, too, it leads to what it takes back
        for key in keys:
            page.keyboard.press(key)
        shown_pair(page)
        settled(page).keyboard.press("z")
        back = merged.pop()
        expect(page.locator(".proposals h2")).to_contain_text(f"{back[0]} and {back[1]}:")
        assert shown_pair(page) == back
        wait_until(lambda: len(opened.dataset.record.classes) == 10 - len(merged))
    assert parameter(settled(page), "classes.at") == ",".join(back)
    page.reload()
    assert shown_pair(settled(page)) == back
    for place in ("", "gallery", "suspects", "classes", "saved?saved.part=changes"):
        open_at(page, f"{base}/{place}{'&' if '?' in place else '?'}dataset=digits")
        pictures_in_sight(page, least=2)


def test_a_pair_whose_pictures_are_not_drawn_is_not_merged(page, serve, own_demo_root):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    open_at(page, f"{serve(own_demo_root)}/classes?dataset=digits")
    first = shown_pair(page)
    card = page.locator(".proposals")
    with unheard(page):
        page.keyboard.press("n")
        page.keyboard.press("m")
        expect(card.get_by_role("status")).to_have_text("Its images are not there yet: nothing was changed.")
        expect(page.get_by_role("button", name="Merge")).to_be_disabled()
    assert shown_pair(page) != first
    with unanswered(page, "**/images/several*"):
        page.keyboard.press("n")
        expect(page.locator(".proposals .place")).to_have_text(re.compile("^3 of"))
        settled(page)
        expect(page.get_by_role("button", name="Merge")).to_be_disabled()
        page.keyboard.press("m")
        expect(card.get_by_role("status")).to_have_text("Its images are not there yet: nothing was changed.")
    shown_pair(page)
    assert opened.dataset.record.classes == list(opened.samples.classes)


@pytest.mark.slow
def test_a_parent_is_a_facet_of_the_address_and_a_table_of_levels(page, serve, own_demo_root, tmp_path):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    (tmp_path / "parents.csv").write_text(
        "class,parent\n" + "".join(f"{n},{'odd' * (n % 2) or 'even'}\n" for n in range(10))
    )
    base = serve(own_demo_root)
    open_at(page, f"{base}/classes?dataset=digits")
    settled(page)
    expect(page.get_by_role("heading", name="By parent")).to_have_count(0)
    classes.set_parents(opened.decisions, opened.workspace, str(tmp_path / "parents.csv"))
    open_at(page, f"{base}/gallery?dataset=digits")
    facet = settled(page).get_by_role("group", name="Parent", exact=True)
    facet.get_by_role("button", name="odd: ").click()
    odd = int((opened.dataset.labels() % 2).sum())
    expect(page.get_by_text(f"{odd:,} of 1,797 images match")).to_be_visible()
    assert "parent=" in page.url
    open_at(page, f"{base}/classes?dataset=digits")
    expect(page.get_by_role("heading", name="By parent")).to_be_visible()
    settled(page)
    expect(page.get_by_text("finds errors across parents")).to_be_visible()


@pytest.mark.slow
def test_a_page_of_before_relabels_nothing_by_an_old_number(page, serve, own_demo_root):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    open_at(page, f"{serve(own_demo_root)}/gallery?dataset=digits")
    settled(page)
    classes.merge(opened.decisions, opened.workspace, ["3", "8"], "3")
    page.locator("[aria-label=Images] .tile").first.click(modifiers=["Control"])
    page.keyboard.press("9")
    expect(page.get_by_text("or its classes changed; nothing was changed")).to_be_visible()
    assert (
        open_dataset(Workspace(own_demo_root), "digits")
        .samples.frame()["curated_label"]
        .equals(open_dataset(Workspace(own_demo_root), "digits").samples.frame()["label"])
    )
