"""Two labels are corrected, a second person judges them blind, and card and label file say what two agree on."""

import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.workspace.data.people import user
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import NOTHING_KEPT, TILES, expect, open_at, settled
from tests.fakes.votes import collect
from tests.journeys.pictures import all_loaded

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_card_and_the_file_say_what_a_second_person_confirms(page, serve, own_demo_root, cli, tmp_path):
    collect(open_dataset(Workspace(own_demo_root), "digits"), target=1, skip=True)
    address = serve(own_demo_root)
    open_at(page, f"{address}/gallery?sort=id&descending=false")
    tiles = page.locator(TILES)
    for number in (0, 1):
        tiles.nth(number).focus()
        page.keyboard.press("l")
        page.keyboard.type("7")
        page.keyboard.press("Enter")
        expect(page.locator(".counts")).to_have_text(f"{number + 1} relabelled")
        settled(page)
    page.wait_for_function(NOTHING_KEPT)
    open_at(page, f"{address}/annotators")
    page.get_by_role("button", name="Ask a second person about 2 decisions").click()
    expect(page.get_by_role("button", name="Ask a second person")).to_have_count(0)

    other = page.context.browser.new_context().new_page()
    open_at(other, f"{address}/annotate?annotate.name={user()}")
    expect(other.get_by_text("You're done")).to_be_visible()  # who decided is not asked
    open_at(other, f"{address}/annotate?annotate.name=ada")
    seen = []
    for key in "71":
        shown = other.locator(".card[data-item]:not(.waiting)")
        expect(shown).not_to_have_attribute("data-item", str(next(iter(seen[-1:]), "")))
        assert all_loaded(other)
        seen.append(int(shown.get_attribute("data-item")))
        other.keyboard.press(key)
    expect(other.get_by_text("You're done")).to_be_visible()
    other.wait_for_function(NOTHING_KEPT)
    other.context.close()
    confirmed, contradicted = seen
    assert {confirmed, contradicted} == {0, 1}

    place = ("--workspace", own_demo_root)
    assert cli("report", "digits", "--card", tmp_path / "card.md", *place).code == 0
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "Of 2 decisions about labels 1 are by two people or more" in card
    assert "which only a login makes sure of" in card
    assert "| two or more | 1 |" in card
    assert cli("export", "digits", "--confirmed", "--out", tmp_path / "labels.csv", *place).code == 0
    rows = pd.read_csv(tmp_path / "labels.csv").set_index("id")
    labels = open_dataset(Workspace(own_demo_root), "digits").dataset.labels()
    assert rows.loc[confirmed, "curated_label"] == 7
    assert rows.loc[contradicted, "curated_label"] == labels[contradicted]
    assert rows.loc[confirmed, "deciders"] == 2
