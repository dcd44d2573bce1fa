"""The Map page without a browser: what it draws and says, the region's images, sets, and the job it starts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avhcurate.curate import saved
from avhcurate.curate.annotations import annotate
from avhcurate.data import background
from avhcurate.data.workspace import Workspace
from avhcurate.map import ui as map_ui
from avhcurate.map.ui_start import Project
from avhcurate.table.dataset_table import open_table

#: The block of class 3 on the planted map, and the upper half of that of class 0.
THREES = "29:-1:37:7"


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory, plant_map):
    """The digits with a planted PCA map and a planted UMAP map; to read only."""
    root = Path(shutil.copytree(demo_root, tmp_path_factory.mktemp("map") / "demo"))
    plant_map(root)
    plant_map(root, name="umap-planted", layout="umap")
    return root


@pytest.fixture(scope="module")
def labels(root):
    return Workspace(root).dataset("digits").labels()


def figure(app):
    return json.loads(app.get("plotly_chart")[0].proto.spec)


def named(app):
    return [trace["name"] for trace in figure(app)["data"] if trace.get("showlegend")]


def test_the_page_draws_every_class_with_its_count_and_the_class_weights(open_page, root, words, labels):
    app = open_page("map", root)
    assert named(app) == [*(f"{k} ({(labels == k).sum()})" for k in range(10)), "class weights (10)"]
    assert [note["text"] for note in figure(app)["layout"]["annotations"]] == list("0123456789")
    text = words(app)
    assert "All 1,797 points; counts in the legend are of all." in text
    assert "UMAP by angle" in text
    assert "no seed" in text


def test_pca_axes_say_what_they_hold_and_umap_axes_say_nothing(open_page, root, words):
    app = open_page("map", root, map__layout="pca-planted")
    assert figure(app)["layout"]["xaxis"]["title"]["text"] == "first component, 50% of the variance"
    assert "PCA by angle" in words(app)
    assert "title" not in figure(open_page("map", root))["layout"]["xaxis"]


@pytest.mark.parametrize(
    ("color", "names"),
    [
        ("mistake", ["right", "mistaken"]),
        ("split", ["test", "train"]),
        ("hsf_bin", ["[0, 0.2)"]),
        ("excluded", ["kept"]),
    ],
)
def test_colours_are_parted_into_groups(open_page, root, color, names):
    found = named(open_page("map", root, map__color=color))
    for name in names:
        assert sum(entry.startswith(f"{name} (") for entry in found) == 1
    assert sum(int(entry.rpartition("(")[2][:-1].replace(",", "")) for entry in found[:-1]) == 1797


def test_a_score_colours_by_its_value(open_page, root):
    app = open_page("map", root, map__color="avh")
    bars = [t["marker"]["colorbar"]["title"]["text"] for t in figure(app)["data"] if "colorbar" in t["marker"]]
    assert bars == ["AVH"]
    (number, *_) = figure(open_page("map", root, map__color="hsf"))["data"]
    assert number["marker"]["colorbar"]["title"]["text"] == "HSF (simulated votes)"
    assert named(app) == ["class weights (10)"]


def test_the_region_of_the_address_brings_its_images_in_order(open_page, root, grids, words, labels):
    app = open_page("map", root, map__region=THREES)
    table = open_table(Workspace(root), "digits")
    frame = table.frame(columns=["id", "label", "avh"])
    expected = frame[frame["label"] == 3].sort_values("avh", ascending=False, kind="stable")["id"].tolist()
    assert [tile["id"] for tile in grids(app)["Samples"]["tiles"]] == expected[:60]
    assert f"{len(expected)} of 1,797 samples in the region" in words(app)
    assert figure(app)["layout"]["shapes"]


def test_filters_apply_to_points_and_region(open_page, root, grids, words):
    app = open_page("map", root, map__region=THREES, split="train")
    split = Workspace(root).dataset("digits").samples(["split"])["split"]
    assert all(split[tile["id"]] == "train" for tile in grids(app)["Samples"]["tiles"])
    assert f"All {(split == 'train').sum()} points;" in words(app)
    assert "No sample lies there" in words(open_page("map", root, map__region=THREES, **{"class": "5"}))
    assert "No sample matches" in words(open_page("map", root, where="id < 0"))


def test_too_many_points_are_sampled_fairly_with_exact_counts(open_page, root, words, labels, monkeypatch):
    monkeypatch.setattr(map_ui, "MOST_POINTS", 300)
    map_ui._drawing.clear()
    app = open_page("map", root, map__region=THREES)
    map_ui._drawing.clear()
    text = words(app)
    assert "300 of 1,797 points, stratified by class; counts in the legend are of all." in text
    assert named(app)[3] == f"3 ({(labels == 3).sum()})"
    assert f"{(labels == 3).sum()} of 1,797 samples in the region" in text


def test_density_counts_all_in_cells_and_a_window_draws_its_surroundings(open_page, root, words, labels):
    app = open_page("map", root, map__drawn="density", map__window="9:17:-1:7")
    assert "samples in and around this window, of 1,797 on the map, counted in cells" in words(app)
    heat = [trace for trace in figure(app)["data"] if trace["type"] == "heatmap"]
    assert heat
    assert figure(app)["layout"]["xaxis"]["range"] == [9, 17]
    near = (10 * (labels % 5) + np.arange(1797) % 7 >= 9 - 4.8) & (10 * (labels % 5) + np.arange(1797) % 7 <= 17 + 4.8)
    inside = near & (labels < 5)
    assert f"All {inside.sum():,} samples in and around" in words(app)


def test_zooming_in_and_back_is_kept_in_the_address(open_page, root, asked):
    app = open_page("map", root, map__region=THREES)
    app.button(key="map.zoom").click().run()
    left, right, low, high = map(float, asked(app, "map.window").split(":"))
    assert left < 29 < 37 < right
    assert low < -1 < 7 < high
    app.button(key="map.whole").click().run()
    assert asked(app, "map.window") == ""
    app.button(key="map.clear").click().run()
    assert asked(app, "map.region") == ""


def test_the_region_can_be_saved_as_a_set_and_opened_in_the_gallery(open_page, own_demo_root, plant_map, labels):
    plant_map(own_demo_root)
    app = open_page("map", own_demo_root, map__region=THREES)
    app.button(key="map.gallery").click().run()
    assert not app.exception
    (kept,) = saved.sets(Workspace(own_demo_root), "digits")
    assert (kept.name, kept.n) == ("last map selection", (labels == 3).sum())
    assert app.title[0].value == "Gallery"
    assert f"{(labels == 3).sum()}" in " ".join(caption.value for caption in app.caption)


def test_tags_become_colours(open_page, own_demo_root, plant_map):
    plant_map(own_demo_root)
    annotate(open_table(Workspace(own_demo_root), "digits"), [1, 2], "tag", "odd")
    app = open_page("map", own_demo_root, map__color="tag:odd")
    assert named(app)[:2] == ["without it (1,795)", "odd (2)"]


def test_the_empty_state_starts_the_job(open_page, own_demo_root, words, monkeypatch):
    started = []
    monkeypatch.setattr(background, "start", lambda root, argv, **keywords: started.append((argv, keywords["verb"])))
    app = open_page("map", own_demo_root)
    assert "No map of this run yet" in words(app)
    assert app.segmented_control(key="map.start_metric").value == "cosine"
    app.number_input(key="map.start_neighbors").set_value(30)
    next(button for button in app.button if button.label == "Make the map").click().run()
    run = Workspace(own_demo_root).dataset("digits").run()
    assert started == [(["project", "digits", f"--model={run.name}", "--neighbors=30"], "project")]


def test_a_workspace_without_a_run_says_how_to_score(open_page, unscored_root, words):
    assert "No model has scored" in words(open_page("map", unscored_root))


@pytest.mark.parametrize("window", ["-1e308:1e308:-1e308:1e308", "0:1e-320:0:nan"])
def test_a_window_beyond_any_map_is_ignored(open_page, root, window):
    app = open_page("map", root, map__window=window, map__drawn="density")
    assert any("map.window" in warning.value for warning in app.warning)
    assert max(map(abs, figure(app)["layout"]["xaxis"]["range"])) < 100


@pytest.mark.parametrize("sort", ["tags", "split"])
def test_the_images_are_ordered_by_whatever_the_address_asks(open_page, root, grids, sort):
    tiles = grids(open_page("map", root, map__region=THREES, sort=sort, order="asc"))["Samples"]["tiles"]
    rows = open_table(Workspace(root), "digits").frame(columns=["id", "label", "split"])
    rows = rows[rows["label"] == 3]
    expected = rows.sort_values("split", kind="stable") if sort == "split" else rows
    assert [tile["id"] for tile in tiles] == expected["id"].head(60).tolist()


def test_what_cannot_be_read_in_the_address_is_ignored_and_said(open_page, root):
    app = open_page("map", root, map__region="x", map__window="1:0:0:1", map__color="nonsense", map__layout="gone")
    assert sum("not understood" in warning.value for warning in app.warning) == 4
    assert len(named(app)) == 11


def test_the_command_leaves_defaults_out():
    assert Project("pets", "run-1").argv == ["project", "pets", "--model=run-1"]
    made = Project("pets", "run-1", metric="euclidean", min_dist=0.25, pca=20, seed=7, limit=900)
    assert made.argv[3:] == ["--metric=euclidean", "--min-dist=0.25", "--pca=20", "--seed=7", "--limit=900"]
