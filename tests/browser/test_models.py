"""The Models page in a real browser: choosing B, a box on the scatter, a cell of a confusion, and their images."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from avhcurate.services import comparing_pair
from avhcurate.services.tables import open_table
from avhcurate.storage.workspace import Workspace
from avhcurate.ui.regions import read_region

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

TILES = "[aria-label=Samples] .tile"


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory, add_run):
    """The demo with a network that calls every 7 a 1 and finds it hard, and one that is a copy of the first."""
    import shutil

    root = shutil.copytree(demo_root, tmp_path_factory.mktemp("models") / "workspace")
    seven = (open_table(Workspace(root), "digits").frame(columns=["id", "label"])["label"] == 7).to_numpy()

    def other(rows):
        predicted = np.where(seven, 1, rows["predicted"]).astype("int32")
        return rows.assign(predicted=predicted, avh=(rows["avh"] + 0.1 * seven).astype("float32"))

    add_run(root, "twin-1", lambda rows: rows)
    add_run(root, "other-2", other)
    return root


def plot_of(page, key):
    plot = page.locator(f"[class*='st-key-{key}'] .js-plotly-plot")
    expect(plot).to_have_count(1, timeout=60_000)  # not the one before as well
    expect(plot).to_be_visible(timeout=60_000)
    plot.evaluate("plot => plot.scrollIntoView({block: 'center', behavior: 'instant'})")
    return plot


def shown_ids(page):
    return page.locator(TILES).evaluate_all("all => all.map(tile => Number(tile.dataset.id))")


def test_choosing_b_a_box_and_a_cell_bring_their_images(page, serve, root):
    table = open_table(Workspace(root), "digits", "avhcurate:digits")
    own = table.run.name
    page.goto(f"{serve(root)}/models?run={own}&models.part=scatter&models.b=twin-1")
    expect(page.get_by_text("No clear difference in accuracy")).to_be_visible(timeout=60_000)
    page.locator("[class*=st-key-models-b] [role=combobox], [class*=st-key-models-b] input").first.click()
    page.get_by_role("option", name="planted:other-2").click()
    expect(page.get_by_text("A is right more often")).to_be_visible(timeout=20_000)
    found = comparing_pair.pair(table, own, "other-2")

    plot = plot_of(page, "models-against")
    area = plot.locator(".draglayer .xy .nsewdrag").bounding_box()
    page.mouse.move(area["x"] + 5, area["y"] + 5)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.9 * area["width"], area["y"] + 0.6 * area["height"], steps=8)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"models\.region="), timeout=20_000)
    expect(page.locator(TILES).first).to_be_visible(timeout=20_000)
    region = read_region(parse_qs(urlsplit(page.url).query)["models.region"][0])
    inside = found.points[region.holds(found.points["a"], found.points["b"])]
    assert 20 < len(inside) < 400
    expect(page.get_by_text(f"{len(inside)} of 1,797 samples in the region")).to_be_visible()
    assert set(shown_ids(page)) <= set(inside["id"])

    page.get_by_role("radio", name="Confusions").click()
    plot = plot_of(page, "models-confusion_b")
    x, y = plot.evaluate(
        """plot => {
            const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect()
            return [box.x + xaxis._offset + xaxis.d2p(1), box.y + yaxis._offset + yaxis.d2p(7)]
        }"""
    )
    page.mouse.move(x - 2, y - 2)
    page.mouse.move(x, y)
    expect(plot.locator(".hoverlayer .hovertext")).to_contain_text("label 7, predicted 1", timeout=20_000)
    page.mouse.click(x, y)
    expect(page).to_have_url(re.compile(r"models\.cell=b(:|%3A)7(:|%3A)1"), timeout=20_000)
    ids = comparing_pair.in_cell(found, "b", 7, 1)
    expect(page.get_by_text(f"Label 7, B predicts 1 · n {len(ids)}")).to_be_visible(timeout=20_000)
    expect(page.locator(TILES).first).to_be_visible(timeout=20_000)
    assert shown_ids(page) == ids[:60].tolist()
    page.get_by_role("link", name="In the gallery, as B predicts").click()
    expect(page).to_have_url(re.compile(r"/gallery\?.*run=other-2"), timeout=20_000)
    expect(page.get_by_text(f"{len(ids)} of 1,797 samples match")).to_be_visible(timeout=20_000)
