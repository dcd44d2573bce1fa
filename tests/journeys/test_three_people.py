"""Three people are asked about a suspect, most of them name a class that no source does, and that decides it."""

import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.suspects.store import suspects_of
from avhcurate.features.suspects.suggestions import suspects_now
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import NOTHING_KEPT, expect, judged, open_at
from tests.fakes.workspaces import copied
from tests.journeys.pictures import all_loaded

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def answers(browser, address, who, key):
    """Somebody at another machine answers the only question there is."""
    page = browser.new_context().new_page()
    open_at(page, f"{address}/annotate?annotate.name={who}")
    expect(page.locator(".card[data-item]:not(.waiting)")).to_be_visible()
    assert all_loaded(page)
    page.keyboard.press(key)
    expect(page.get_by_text("You're done")).to_be_visible()
    page.wait_for_function(NOTHING_KEPT)
    page.context.close()


def test_what_most_people_say_is_what_the_key_accepts_and_the_file_has(page, serve, suspects_root, cli, tmp_path):
    root = copied(suspects_root, tmp_path / "own")
    opened = open_dataset(Workspace(root), "digits")
    first = suspects_now(opened.samples, opened.votes, suspects_of(opened.run)[-1]).iloc[0]
    id = int(first["id"])
    given, said = opened.samples.classes[first["label"]], opened.samples.classes[first["suggested"]]
    new = next(
        name
        for name in opened.samples.classes
        if name not in (given, *(opened.samples.classes[one] for one in first["named"]))
    )
    address = serve(root)
    open_at(page, f"{address}/suspects")
    assert judged(page, 0) == id
    expect(page.locator("[data-do=accept]")).to_have_text(f"AAccept {said}")
    page.keyboard.press("p")
    expect(page.locator(".state")).to_have_text(f"Three people are asked about image {id}.")
    judged(page, 1)
    page.keyboard.press("ArrowLeft")
    assert judged(page, 0) == id
    for who, key in (("ann", new), ("bob", new), ("cai", said)):
        answers(page.context.browser, address, who, key)
    page.bring_to_front()
    row = page.locator(".evidence tr", has_text="People asked")
    expect(row).to_contain_text("3 of 3 answered")
    expect(page.locator("[data-do=accept]")).to_have_text(f"AAccept {new}")
    expect(page.locator(".lead")).to_contain_text("2 of 3 people")
    assert judged(page, 0) == id
    page.keyboard.press("a")
    expect(page.locator(".counts")).to_have_text("1 relabelled")
    page.wait_for_function(NOTHING_KEPT)

    assert cli("export", "digits", "--out", tmp_path / "labels.csv", "--workspace", root).code == 0
    rows = pd.read_csv(tmp_path / "labels.csv", dtype={"curated_label_name": str}).set_index("id")
    assert rows.loc[id, "curated_label_name"] == new
    changed = rows["curated_label"] != rows["label"]
    assert changed[changed].index.tolist() == [id]
    assert cli("votes-out", "digits", "--out", tmp_path / "votes.csv", "--workspace", root).code == 0
