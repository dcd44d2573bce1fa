"""The Quality page: from nothing measured to groups of copies, one kept of each, and back."""

from pathlib import Path

import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.correlation import service as correlation_service
from avhcurate.features.quality import service as quality_service
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import copied


@pytest.fixture
def own_root(planted_root, tmp_path):
    return copied(planted_root, tmp_path / "planted")


def table(root):
    return open_dataset(Workspace(root), "pets")


def test_before_anything_is_measured_it_says_what_it_would_find_and_starts_the_job(open_page, demo_root, no_process):
    app = open_page("quality", demo_root)
    assert "not measured yet" in app.header[0].value
    app.button(key="page.fill").click().run()
    run = Workspace(demo_root).dataset("digits").run().root.name
    assert no_process == [(["quality", "digits", f"--model={run}"], "quality", "digits")]


def test_the_end_of_a_measure_is_a_grid_in_its_order(open_page, planted_root, grids, asked):
    app = open_page("quality", planted_root, quality__measure="brightness")
    rows = table(planted_root).samples.page(sort="brightness", limit=24)
    shown = [tile["id"] for tile in grids(app)["Images"]["tiles"]]
    assert shown == rows["id"].tolist()
    assert [metric.value for metric in app.metric] == ["30", "3", "2", "1", "25"]  # 21 are drawn smooth
    app.segmented_control(key="quality.end").set_value("high").run()
    assert asked(app, "quality.end") == "high"
    brightest = table(planted_root).samples.page(sort="brightness", descending=True, limit=24)["id"].tolist()
    assert [tile["id"] for tile in grids(app)["Images"]["tiles"]] == brightest
    link = next(node.proto for node in app.get("page_link") if "gallery" in node.proto.label)
    assert "sort=brightness" in link.query_string


def test_groups_stand_together_under_their_captions_leaks_first(open_page, planted_root, grids):
    app = open_page("quality", planted_root, quality__view="duplicates")
    grid = grids(app)["Images"]
    tiles = grid["tiles"]
    found = quality_service.find_duplicates(table(planted_root).samples, table(planted_root).dataset)
    assert [tile["id"] for tile in tiles] == found.members["id"].tolist()
    assert sum(group["count"] for group in grid["groups"]) == len(tiles) == 7
    assert len(grid["groups"]) == 3
    assert "by bytes · across splits · different labels" in grid["groups"][0]["title"]
    keepers = found.members["id"][found.members["keep"]].tolist()
    assert [tile["id"] for tile in tiles if "keep" in tile["badges"]] == keepers
    app.button_group(key="quality.only").set_value(["conflict"]).run()
    assert len(grids(app)["Images"]["tiles"]) == 2


def test_one_is_kept_of_all_groups_and_undo_brings_the_others_back(open_page, own_root, grids, words):
    app = open_page("quality", own_root, quality__view="duplicates")
    app.button(key="quality.keep_all").click().run()
    assert not app.exception
    assert table(own_root).samples.count(Filters(excluded=True)) == 4
    assert "No group of near duplicates in view" in words(app)
    app.button(key="quality.undo").click().run()
    assert table(own_root).samples.count(Filters(excluded=True)) == 0
    assert len(grids(app)["Images"]["tiles"]) == 7


def test_odd_files_are_listed_and_shown_with_what_is_odd(open_page, planted_root, grids, words, asked):
    app = open_page("quality", planted_root, quality__view="odd")
    assert app.dataframe[0].value["path"].tolist() == ["cut.jpg", "page.jpg", "wrong.png", "moving.gif"]
    told = [tile["sub"] for tile in grids(app)["Images"]["tiles"]]
    assert told[1:] == ["HTML, not an image", "JPEG named .png", "several frames"]
    app.segmented_control(key="quality.kind").set_value("blurred").run()
    assert {tile["sub"][:18] for tile in grids(app)["Images"]["tiles"]} == {"blurred: sharpness"}
    assert "Blurred: sharpness below 1.5. 21 images in view" in words(app)
    app.number_input(key="quality.blurred").set_value(0.0).run()
    assert asked(app, "quality.blurred") == "0"
    assert "0 images in view" in words(app)
    assert "Images" not in grids(app)


@pytest.mark.slow
def test_a_measure_takes_the_place_of_hsf_in_the_correlation_table_also_without_votes(
    open_page, voteless_root, words, asked
):
    quality_service.measure_dataset(Workspace(voteless_root), "digits")
    app = open_page("correlation", voteless_root)
    control = app.selectbox(key="correlation.against")
    assert control.options == ["Brightness", "Contrast", "Sharpness", "Information", "Colour"]
    control.set_value("contrast").run()
    assert not app.exception
    assert asked(app, "correlation.against") == "contrast"
    digits = open_dataset(Workspace(voteless_root), "digits")
    rows = correlation_service.correlate(digits.samples, digits.run, digits.votes, against="contrast").table
    best = rows[(rows["score"] == "norm") & (rows["bin"] == "all")].iloc[0]
    assert f"{abs(best['spearman']):.3f}" in words(app)
    assert "Contrast takes the place of HSF here" in words(app)

    app = open_page("quality", voteless_root, quality__view="duplicates", quality__cut="1")
    assert len(app.get("plotly_chart")) == 1
    assert "the threshold is derived from this distribution" in words(app)


def test_where_no_image_can_be_read_the_page_says_so(open_page, unscored_root, words):
    workspace = Workspace(unscored_root)
    for file in workspace.dataset("pets").samples()["_file"]:
        Path(file).unlink()
    quality_service.measure_dataset(workspace, "pets")
    assert "No image in view could be measured" in words(open_page("quality", unscored_root))
    app = open_page("quality", unscored_root, quality__view="odd")
    assert app.dataframe[0].value["odd"].str.contains("file not found").tolist() == [True, True]
