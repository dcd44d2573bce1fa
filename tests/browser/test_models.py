"""The Models page in a real browser: choosing B, a cell of a confusion, and its images."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from avhcurate.compare import run_pair
from avhcurate.data.workspace import Workspace
from avhcurate.table.dataset_table import open_table
from avhcurate.ui.notes import run_titles
from tests.browser.pages import (
    TILES,
    chart,
    choose,
    expect,
    ids,
    move_onto,
    on_screen,
    open_at,
    with_parameter,
)


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory, add_run):
    """The demo with a network that calls every 7 a 1 and finds it hard, and one that is a copy of the first."""
    root = Path(shutil.copytree(demo_root, tmp_path_factory.mktemp("models") / "workspace"))
    seven = (open_table(Workspace(root), "digits").frame(columns=["id", "label"])["label"] == 7).to_numpy()

    def other(rows):
        predicted = np.where(seven, 1, rows["predicted"]).astype("int32")
        return rows.assign(predicted=predicted, avh=(rows["avh"] + 0.1 * seven).astype("float32"))

    add_run(root, "twin-1", lambda rows: rows)
    add_run(root, "other-2", other)
    return root


def test_choosing_b_and_a_cell_bring_their_images(page, serve, root):
    table = open_table(Workspace(root), "digits", "avhcurate:digits")
    own = table.run.name
    open_at(page, f"{serve(root)}/models?run={own}&models.part=pair&models.b=twin-1")
    expect(page.get_by_text("No clear difference in accuracy")).to_be_visible()
    choose(page, "models-b", run_titles(table.dataset)["other-2"])
    expect(page.get_by_text("A is right more often")).to_be_visible()
    found = run_pair.compare_pair(table, own, "other-2")
    page.get_by_role("radio", name="Confusions").click()
    expect(page.locator("[class*='st-key-models-confusion_b'] .js-plotly-plot")).to_be_visible()
    plot = chart(page, "models-confusion_b")
    (place,) = on_screen(plot, (1, 7))
    move_onto(page, place)
    expect(plot.locator(".hoverlayer .hovertext")).to_contain_text("label 7, predicted 1")
    page.mouse.click(*place)
    expect(page).to_have_url(with_parameter("models.cell", "b(:|%3A)7(:|%3A)1"))
    members = run_pair.in_cell(found, "b", 7, 1)
    expect(page.get_by_text(f"Label 7, B predicts 1 · n {len(members)}")).to_be_visible()
    expect(page.locator(TILES).first).to_be_visible()
    assert ids(page) == members[: page.locator(TILES).count()]
