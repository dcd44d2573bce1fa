"""Two people on two machines: a server each, one folder that both see, and one PostgreSQL."""

import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import NOTHING_KEPT, TILES, expect, open_at, settled
from tests.fakes.votes import collect
from tests.journeys.pictures import all_loaded

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def shows(page, number):
    """Waits until a page says how many images there are, and has drawn them."""
    expect(page.get_by_text(f"{number:,} of 1,797 images")).to_be_visible()
    assert all_loaded(page)


def exclude_first(page):
    """Excludes the first image of a gallery by keys, and returns which it was."""
    tile = settled(page).locator(TILES).first
    image = int(tile.get_attribute("data-id"))
    tile.focus()
    page.keyboard.press("x")
    page.wait_for_function(NOTHING_KEPT)
    return image


def test_what_two_people_do_on_two_machines_is_seen_by_both_and_is_in_one_file(
    page, serve_fresh, own_demo_root, empty_postgres, cli, tmp_path, monkeypatch
):
    (own_demo_root / "annotations.db").unlink()  # all is in PostgreSQL
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", empty_postgres)
    opened = open_dataset(Workspace(own_demo_root), "digits")
    collect(opened, control_share=0.0)
    here, there = (
        serve_fresh(own_demo_root, AVHCURATE_DATABASE_URL=empty_postgres, HOME=str(tmp_path / name)).address
        for name in ("ann", "ben")
    )
    ann, ben = page, page.context.browser.new_context().new_page()
    for person, address in ((ann, here), (ben, there)):
        open_at(person, f"{address}/gallery?sort=id&descending=false")
        all_loaded(person)

    first = exclude_first(ann)
    shows(ben, 1796)  # while it stands open
    second = exclude_first(ben)
    shows(ann, 1795)
    assert first != second
    settled(ann).keyboard.press("u")  # takes back what ann did, not what ben did later
    shows(ann, 1796)
    shows(ben, 1796)

    for person, address, who in ((ann, here, "ann"), (ben, there, "ben")):
        open_at(person, f"{address}/annotate?annotate.name={who}")
        expect(person.locator(".card[data-item]:not(.waiting)")).to_be_visible()
        assert all_loaded(person)
        person.keyboard.press("3")
        person.wait_for_function(NOTHING_KEPT)
    given = annotators.responses(open_dataset(Workspace(own_demo_root), "digits").votes, controls=True)
    assert sorted(given["annotator"]) == ["ann", "ben"]

    open_at(ann, f"{here}/classes")
    expect(ann.get_by_role("button", name="Merge")).to_be_enabled()
    ann.keyboard.press("m")
    ann.wait_for_function(NOTHING_KEPT)
    for person, address in ((ann, here), (ben, there)):
        for name in ("gallery", "classes", "annotators"):
            open_at(person, f"{address}/{name}?dataset=digits")
            all_loaded(person)
            assert person.get_by_test_id("stException").count() == 0
    ben.context.close()

    out = tmp_path / "labels.csv"
    assert cli("export", "digits", "--out", out, "--workspace", own_demo_root).code == 0
    rows = pd.read_csv(out).set_index("id")
    assert second not in rows.index or rows.loc[second, "excluded"]
    assert first in rows.index
    assert rows["label_name"].nunique() == 9
    assert cli("check", "--workspace", own_demo_root).code == 0
    assert not (own_demo_root / "annotations.db").exists()
