"""The Map page without a browser: what it draws and says, the region's images, sets, and the job it starts."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.curate import classes
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.map import ui_points
from avhcurate.ui.components import scatter
from avhcurate.ui.grid.grid_views import registered
from avhcurate.workspace.data import background
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.scatter import read_points
from tests.fakes.workspaces import copied

#: The block of class 3 on the planted map, and the upper half of that of class 0.
THREES = "29:-1:37:7"


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory, plant_map):
    """The digits with a planted PCA map and a planted UMAP map; to read only."""
    root = copied(demo_root, tmp_path_factory.mktemp("map") / "demo")
    plant_map(root)
    plant_map(root, name="umap-planted", layout="umap")
    return root


@pytest.fixture(scope="module")
def labels(root):
    return Workspace(root).dataset("digits").labels()


def sent(app):
    """What the browser is sent with the chart of all points."""
    found = [json.loads(node.proto.json) for node in app.get("bidi_component")]
    return next(data for data in found if "bounds" in data)


def drawn(app):
    """Of each id where it is drawn and in which shade, as the browser reads it."""
    data = sent(app)
    body = scatter._CLOUDS[data["source"].rpartition("/")[2]].body
    ids = registered(data["rows"].rpartition("/")[2]).ids
    x, y, shades = read_points(body, data["bounds"])
    return pd.DataFrame({"x": x, "y": y, "shade": shades}, index=ids)


def named(app):
    data = sent(app)
    marks = [data["marks"]["title"]] if data["marks"]["x"] else []
    return [entry["name"] for entry in data["legend"]["entries"]] + marks


def test_the_page_draws_every_class_with_its_count_and_the_class_weights(open_page, root, words, labels):
    app = open_page("map", root)
    assert named(app) == [*(f"{k} ({(labels == k).sum()})" for k in range(10)), "class weights (10)"]
    assert (sent(app)["marks"]["names"], sent(app)["marks"]["named"]) == (list("0123456789"), True)
    text = words(app)
    assert "All 1,797 points." in text
    assert "UMAP" in text
    assert "no seed" in text


def test_every_point_is_drawn_where_it_lies_in_the_shade_of_its_class(open_page, root, labels):
    points, ids = drawn(open_page("map", root)).sort_index(), np.arange(1797)
    assert points.index.tolist() == ids.tolist()
    # A step of a coordinate: the planted map is 46 wide and 17 high.
    assert np.abs(points["x"] - (10 * (labels % 5) + ids % 7)).max() <= 46 / 65535
    assert np.abs(points["y"] - (12 * (labels // 5) + ids % 6)).max() <= 17 / 65535
    assert points["shade"].tolist() == labels.tolist()


def test_a_score_colours_by_its_value_and_the_hardest_lie_on_top(open_page, root):
    app = open_page("map", root, map__color="avh", map__layout="pca-planted")
    assert sent(app)["axes"][0] == "first component, 50% of the variance"
    legend, shades = sent(app)["legend"], sent(app)["colors"]
    assert [shade.index(max(shade[:3])) for shade in (shades[0], shades[-1])] == [2, 0]  # from blue to orange
    assert (legend["title"], len(legend["scale"]["ticks"])) == ("AVH", 5)
    avh = open_dataset(Workspace(root), "digits").samples.frame(columns=["id", "avh"]).set_index("id")["avh"]
    points = drawn(app)
    assert avh[points.index].is_monotonic_increasing
    assert points["shade"].is_monotonic_increasing
    assert (points["shade"].iloc[0], points["shade"].iloc[-1]) == (0, 254)
    by_hsf = sent(open_page("map", root, map__color="hsf"))
    assert (by_hsf["score"], by_hsf["colors"]) == ("HSF (simulated votes)", shades[::-1])
    assert named(app) == ["class weights (10)"]


def test_of_more_points_than_can_be_sent_every_class_gets_its_share(open_page, root, words, labels, monkeypatch):
    monkeypatch.setattr(ui_points, "MOST_SENT", 300)
    ui_points._drawn.clear()
    app = open_page("map", root, map__region=THREES)
    ui_points._drawn.clear()
    points = drawn(app)
    shares = points["shade"].value_counts() / 300 - np.bincount(labels) / 1797
    assert len(points) == 300
    assert shares.abs().max() < 0.01
    assert points["shade"].tolist() == labels[points.index].tolist()
    assert "300 of 1,797 points, every class in proportion. The legend counts all." in words(app)
    assert named(app)[3] == f"3 ({(labels == 3).sum()})"
    assert f"{(labels == 3).sum()} of 1,797 images in the region" in words(app)


def test_an_image_is_found_by_number_or_path_and_marked(open_page, root, words, labels):
    path = Workspace(root).dataset("digits").samples(["path"])["path"][7]
    for text in ("7", path.upper()):
        found = sent(open_page("map", root, map__find=text))["found"]
        assert found == {"x": 10.0 * (labels[7] % 5) + 0, "y": 12.0 * (labels[7] // 5) + 1, "text": "image 7"}
    app = open_page("map", root, map__find="no such ' image")
    assert sent(app)["found"] is None
    assert "No image has this number or a path that contains no such ' image" in words(app)
    other = next(k for k in range(10) if k != labels[7])
    assert "is not in view" in words(open_page("map", root, map__find="7", **{"class": str(other)}))


def test_the_region_of_the_address_brings_its_images_in_order(open_page, root, grids, words, labels):
    app = open_page("map", root, map__region=THREES)
    opened = open_dataset(Workspace(root), "digits")
    frame = opened.samples.frame(columns=["id", "label", "avh"])
    expected = frame[frame["label"] == 3].sort_values("avh", ascending=False, kind="stable")["id"].tolist()
    assert [tile["id"] for tile in grids(app)["Images"]["tiles"]] == expected[:60]
    assert f"{len(expected)} of 1,797 images in the region" in words(app)
    assert sent(app)["region"] == {"x": [29, 37, 37, 29], "y": [-1, -1, 7, 7]}


def test_filters_apply_to_points_and_region(open_page, root, grids, words):
    app = open_page("map", root, map__region=THREES, split='"train"')
    split = Workspace(root).dataset("digits").samples(["split"])["split"]
    assert all(split[tile["id"]] == "train" for tile in grids(app)["Images"]["tiles"])
    assert f"All {(split == 'train').sum()} points." in words(app)
    assert "The region holds no image" in words(open_page("map", root, map__region=THREES, **{"class": "5"}))
    assert "No image matches" in words(open_page("map", root, where="id < 0"))


def test_the_whole_map_and_no_region_are_a_click_away(open_page, root, asked):
    app = open_page("map", root, map__region=THREES, map__window="9:17:-1:7")
    app.button(key="map.whole").click().run()
    assert asked(app, "map.window") == ""
    app.button(key="map.clear").click().run()
    assert asked(app, "map.region") == ""


def hear(app, kind, value):
    """Does what the browser does when a region is drawn or the map is moved."""
    node = next(one for one in app.get("bidi_component") if "bounds" in json.loads(one.proto.json))
    states = app._tree.get_widget_states()
    event = json.dumps([{"event": kind, "value": value}])
    states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{node.proto.id}__events", json_trigger_value=event)
    app._run(states)
    assert not app.exception


def test_class_weights_of_a_map_have_the_names_of_today(open_page, own_demo_root, plant_map):
    plant_map(own_demo_root)
    before = sent(open_page("map", own_demo_root))["marks"]
    classes.merge(
        open_dataset(Workspace(own_demo_root), "digits").decisions,
        open_dataset(Workspace(own_demo_root), "digits").workspace,
        ["3", "5"],
        "x",
    )
    classes.retire(
        open_dataset(Workspace(own_demo_root), "digits").decisions,
        open_dataset(Workspace(own_demo_root), "digits").workspace,
        "0",
    )
    marks = sent(open_page("map", own_demo_root))["marks"]
    assert marks["names"] == ["1", "2", "x", "4", "x", "6", "7", "8", "9"]
    assert marks["x"] == before["x"][1:]


def test_a_region_and_a_window_stay_with_their_map(open_page, own_demo_root, plant_map, asked, words):
    plant_map(own_demo_root)
    app = open_page("map", own_demo_root)
    hear(app, "region", {"box": [{"x": [29, 37], "y": [-1, 7]}]})
    hear(app, "window", [9, 17, -1, 7])
    plant_map(own_demo_root, name="umap-planted", layout="umap")
    app.run()
    assert app.selectbox(key="map.layout").value == "pca-planted"
    assert "images in the region" in words(app)
    assert asked(app, "map.window") == "9:17:-1:7"


def test_the_map_stands_beside_the_gallery_which_shows_its_region(open_page, root, grids, labels, asked):
    threes = (labels == 3).nonzero()[0]
    app = open_page("map", root, map__region=THREES)
    (link,) = [one.proto for one in app.get("page_link") if one.proto.label == "Open in Gallery"]
    assert "gallery.map=1" in link.query_string
    app = open_page("gallery", root, gallery__map="1", map__region=THREES, sort="id", descending="false")
    samples = grids(app)["Images"]
    assert (samples["count"], [tile["id"] for tile in samples["tiles"]]) == (len(threes), threes[:60].tolist())
    assert (sent(app)["count"], sent(app)["linked"]) == (1797, True)
    like = open_page("gallery", root, gallery__map="1", map__region=THREES, gallery__like="5")
    assert set(labels[[tile["id"] for tile in grids(like)["Images"]["tiles"]]]) == {3}
    app.toggle(key="gallery.map").set_value(False).run()
    assert (asked(app, "gallery.map"), grids(app)["Images"]["count"]) == ("", 1797)
    assert not [node for node in app.get("bidi_component") if "bounds" in json.loads(node.proto.json)]


def test_the_empty_state_starts_the_job(open_page, own_demo_root, words, grids, monkeypatch):
    started = []
    monkeypatch.setattr(background, "start", lambda root, argv, **keywords: started.append((argv, keywords["verb"])))
    app = open_page("map", own_demo_root)
    assert "No map of this run yet" in words(app)
    app.number_input(key="map.start_neighbours").set_value(30)
    next(button for button in app.button if button.label == "Make the map").click().run()
    run = Workspace(own_demo_root).dataset("digits").run()
    beside = open_page("gallery", own_demo_root, gallery__map="1")
    assert "No map of this run yet" in words(beside)
    assert "lie close together" in words(beside)
    assert grids(beside)["Images"]["count"] == 1797
    assert started == [(["project", "digits", f"--model={run.name}", "--neighbours=30"], "project")]


def test_what_cannot_be_read_in_the_address_is_ignored_and_said(open_page, root):
    app = open_page(
        "map", root, map__region="x", map__window="0:1e-320:0:nan", map__color="nonsense", map__layout="gone"
    )
    assert sum("not understood" in warning.value for warning in app.warning) == 4
    assert len(named(app)) == 11
