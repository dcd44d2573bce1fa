"""The gallery page without a browser: what it shows, and that its actions reach the annotations and can be undone."""

import datetime
import json
from importlib.util import find_spec

import numpy as np
import pytest

from avhcurate.datasets.curate.columns import set_harder
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.neighbours.words import angles_to_words
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.ui.components.facets import FacetEvent
from avhcurate.ui.grid import grid_actions, grid_bar
from avhcurate.ui.shell.sidebar_filters import changed_filters
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import add_dataset
from tests.fakes.networks import save_clip
from tests.fakes.workspaces import HOSTILE_COLUMN, copied


@pytest.fixture
def open_gallery(open_page):
    return lambda workspace, **query: open_page("gallery", workspace.root, **query)


@pytest.fixture
def demo(demo_root):
    return Workspace(demo_root)


@pytest.fixture
def own(own_demo_root):
    return Workspace(own_demo_root)


def grid(app, label="Images"):
    found = [json.loads(node.proto.json) for node in app.get("bidi_component")]
    return next(data for data in found if data.get("label") == label)


def test_tiles_come_in_the_order_of_the_score_with_labels_prediction_and_hsf(open_gallery, demo):
    app = open_gallery(demo, sort="loss", descending="false")
    tiles = grid(app)["tiles"]
    assert (len(tiles), grid(app)["count"]) == (60, 1797)
    opened = open_dataset(demo, "digits")
    expected = opened.samples.page(sort="loss", limit=60)
    assert [tile["id"] for tile in tiles] == expected["id"].tolist()
    assert tiles[0]["title"] == expected["label_name"][0]
    assert tiles[0]["predicted"] == str(expected["predicted_name"][0])
    assert [tile["percentile"] for tile in tiles] == sorted(tile["percentile"] for tile in tiles)
    assert tiles[0]["percentile"] == 0
    assert tiles[0]["note"] == f"HSF {expected['hsf'][0]:.2f}"
    assert tiles[0]["src"].startswith(f"/images/digits/{tiles[0]['id']}?v=")


@pytest.mark.slow
def test_samples_that_are_all_excluded_can_be_seen_and_had_back(open_gallery, own, act, monkeypatch):
    app = open_gallery(own)
    act(app, "exclude", 0, grid(app)["count"])
    assert "Every image is excluded" in [heading.value for heading in app.header]
    app.button(key="gallery.clear").click().run()
    assert grid(app)["count"] == 1797
    app.query_params.clear()
    app.query_params["class"] = "4"
    app.run()
    assert "No image matches" in [heading.value for heading in app.header]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(grid_bar, "undo", _removed)
        app.button(key="gallery.undo").click().run()
        assert ([error.value for error in app.error], list(app.exception)) == (["it was removed"], [])
    app.button(key="gallery.undo").click().run()
    assert 0 < grid(app)["count"] < 1797


def _removed(*_, **__):
    raise CurateError("it was removed")


def test_a_selection_is_saved_as_a_set_and_exported(open_gallery, own, act):
    app = open_gallery(own)
    ids = act(app, "set", 1, 4, value="mine")
    assert sorted(open_dataset(own, "digits").samples.frame(Filters(sets=("mine",)))["id"]) == sorted(ids)
    assert app.multiselect(key="filter.sets").options == ["mine (3)"]
    act(app, "export", 1, 4)
    assert app.segmented_control(key="gallery.export_what").value == "Selection"
    assert "Download 3 images as CSV" in [node.proto.label for node in app.get("download_button")]
    app.run()
    act(app, "export")
    assert "Download 1,797 images as CSV" in [node.proto.label for node in app.get("download_button")]


def test_more_like_this_orders_by_the_angle_to_the_selected_images(open_gallery, demo, asked, act):
    app = open_gallery(demo, **{"class": "3"})
    shown = [tile["id"] for tile in grid(app)["tiles"]]
    act(app, "like", 0, 2)
    like = [int(id) for id in asked(app, "gallery.like").split(",")]
    assert like == shown[:2]
    tiles = grid(app)["tiles"]
    assert {tile["id"] for tile in tiles[:2]} == set(like)
    features = open_dataset(demo, "digits").run.features()
    rows = open_dataset(demo, "digits").samples.frame(Filters(classes=(3,)), columns=["id"])["id"].to_numpy()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    nearest = rows[np.argsort(-(unit[rows] @ unit[like].T).max(axis=1), kind="stable")]
    assert [tile["id"] for tile in tiles[2:12]] == nearest[2:12].tolist()
    assert [float(tile["score"]) for tile in tiles] == sorted(float(tile["score"]) for tile in tiles)
    assert app.selectbox(key="gallery.sort").options[0] == "Likeness"
    app.selectbox(key="gallery.sort").set_value("loss").run()
    assert asked(app, "gallery.like") == ""
    assert asked(app, "sort") == "loss"
    app.query_params["gallery.like"] = ",".join(map(str, like))
    app.query_params["sort"] = "avh"
    app.run()
    app.button(key="chip.like").click().run()
    assert [tile["id"] for tile in grid(app)["tiles"]] == shown


def test_the_details_of_a_sample_show_every_score_and_its_neighbours(open_gallery, demo):
    app = open_gallery(demo, sample="42")
    near = grid(app, "Nearest neighbours by angle")["tiles"]
    assert len(near) == 12
    assert 42 not in [tile["id"] for tile in near]
    scores = app.dataframe[0].value
    assert set(scores["Score"]) >= {"AVH", "AVC", "Confidence", "Loss", "Norm"}
    assert scores["Percentile"].between(0, 100).all()


def test_an_unscored_dataset_with_broken_images_is_shown(open_gallery, workspace, make_dataset):
    make_dataset({"<b>cat<b>/a.png": b"no image"})
    app = open_gallery(workspace, sample="0", gallery__like="0")
    assert "Score the dataset first" in app.error[0].value
    assert grid(app, "Image viewer")["images"][0]["alt"] == "Image 0, label <b>cat<b>"
    tile = grid(app)["tiles"][0]
    assert (tile["title"], tile["predicted"], tile["score"]) == ("<b>cat<b>", "", "")


# --- columns of the user's own --------------------------------------------------------------------------------


@pytest.fixture
def columns(columns_root):
    return Workspace(columns_root)


def test_an_own_number_sorts_and_is_ranged_and_shown_by_widgets_and_address(open_gallery, columns, asked, facets):
    app, name = open_gallery(columns), HOSTILE_COLUMN
    assert name[:30] in str(app.selectbox(key="gallery.sort").options)
    app.selectbox(key="gallery.sort").set_value(name).run()
    assert (asked(app, "sort"), asked(app, "descending")) == (name, "")
    app.selectbox(key="gallery.caption").set_value("avh").run()
    app.multiselect(key="filter.columns").set_value([name]).run()
    low, high = 2, 5
    panel = facets(app)[f"ranges:{name}"]
    assert sum(bar["matching"] for bar in panel["bars"]) == int(
        open_dataset(columns, "digits").samples.frame()[name].count()
    )
    event = FacetEvent(panel["key"], "range", low=low, high=high)
    app.query_params["range"] = changed_filters(Filters(), event, sort=name).to_query()["range"]
    app.run()
    frame = open_dataset(columns, "digits").samples.frame(Filters())
    wanted = frame[frame[name].between(low, high)].sort_values([name, "id"], ascending=[False, True])
    tiles = grid(app)["tiles"]
    assert [tile["id"] for tile in tiles] == wanted["id"].tolist()[: len(tiles)]
    assert tiles[0]["note"] == f"{wanted['avh'].iloc[0]:.4f}"
    assert not app.exception
    again = open_gallery(columns, **{key: asked(app, key) for key in ("sort", "range", "caption")})
    assert grid(again)["tiles"] == tiles


def test_texts_of_few_values_truths_and_days_filter_and_a_text_of_many_does_not(open_gallery, columns, asked, facets):
    app = open_gallery(columns, caption="place")
    chooser = app.multiselect(key="filter.columns")
    assert {"place", "seen", "taken", "my_score"} < set(chooser.options)
    assert "camera" not in chooser.options
    chooser.set_value(["place", "seen", "taken"]).run()
    place, seen = facets(app)["values:place"], facets(app)["values:seen"]
    assert sorted(bar["text"] for bar in place["bars"]) == ["none", "park, old", "zoo"]
    filters = Filters(values=(("place",), ("seen",)))
    for panel, values in ((place, ["park, old", None]), (seen, ["true"])):
        filters = changed_filters(filters, FacetEvent(panel["key"], "values", values), sort="avh")
    app.query_params["value"] = filters.to_query()["value"]
    app.run()
    app.date_input(key="filter.date.from.taken").set_value(datetime.date(2024, 2, 1)).run()
    app.date_input(key="filter.date.to.taken").set_value(datetime.date(2024, 2, 20)).run()
    ids = [i for i in range(1797) if i % 3 and i % 4 == 0 and i % 5 and 31 <= i % 366 <= 50]
    tiles = grid(app)["tiles"]
    assert sorted(tile["id"] for tile in tiles) == ids
    assert {tile["note"] for tile in tiles} == {"park, old", "–"}
    assert asked(app, "date") == '["taken","2024-02-01","2024-02-20"]'
    app.date_input(key="filter.date.from.taken").set_value(datetime.date(2024, 3, 1)).run()
    assert asked(app, "date") == '["taken","2024-03-01",null]'
    app.multiselect(key="filter.columns").set_value(["place"]).run()
    assert asked(app, "date") == ""
    assert asked(app, "value") == '["place","park, old",null]'


@pytest.mark.slow
def test_a_choice_of_order_begins_at_the_hard_end_that_was_said(open_gallery, columns_root, tmp_path, asked):
    space = Workspace(copied(columns_root, tmp_path / "own"))
    opened = open_dataset(space, "digits")
    set_harder(space, opened.samples, opened.dataset, {"my_score": "low"})
    app = open_gallery(space)
    for column, order in (("my_score", "false"), ("avh", ""), ("confidence", "false"), ("hsf", "false"), ("taken", "")):
        app.selectbox(key="gallery.sort").set_value(column).run()
        assert asked(app, "descending") == order, column


def test_the_address_names_dataset_and_run_which_a_new_run_does_not_change(open_gallery, own, add_run, asked):
    app = open_gallery(own)
    opened = lambda: (asked(app, "dataset"), asked(app, "run"))  # noqa: E731
    first = own.dataset("digits").run().name
    assert opened() == ("digits", first)
    new = add_run(own.root, "zz-newer-1", lambda rows: rows)
    app.run()
    assert (opened(), own.dataset("digits").run().name) == (("digits", first), first)
    app.button(key=f"frame.new.{new}").click().run()
    assert opened() == ("digits", new)
    app.button(key="frame.default").click().run()
    assert own.dataset("digits").run().name == new
    assert not {button.key for button in app.button} & {"frame.default", f"frame.new.{new}"}


@pytest.mark.slow
def test_words_order_the_images_of_a_clip_run_as_they_are_typed_and_a_job_keeps_their_angle(
    open_gallery, workspace, tmp_path, no_process, asked, words
):
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    save_clip(tmp_path / "network")
    add_dataset(
        workspace, tmp_path, {f"{name}/{tone}.png": tone for name in ("cat", "dog") for tone in ("red", "blue")}
    )
    run = score_dataset(workspace, "pets", ModelSpec(name=f"clip:{tmp_path / 'network'}"))
    app = open_gallery(workspace)
    app.text_input(key="gallery.find").set_value("Red car, -snow").run()
    assert (asked(app, "gallery.typed"), no_process) == ("red car, -snow", [])
    shown = [tile["id"] for tile in grid(app)["tiles"]]
    app.button(key="gallery.keep_words").click().run()
    options = [f"--model={run.name}", "--like-text=red car,-snow"]
    assert no_process == [(["neighbours", "pets", *options], "neighbours", "pets")]
    assert asked(app, "gallery.words") == "like: red car, -snow"
    column = angles_to_words(run, ["red car", "-snow"])  # what the job does
    app.run()
    assert (asked(app, "sort"), asked(app, "descending"), asked(app, "gallery.words")) == (column, "false", "")
    expected = open_dataset(workspace, "pets").samples.order(sort=column)
    assert [tile["id"] for tile in grid(app)["tiles"]] == shown == expected.tolist()
    assert asked(app, "gallery.typed") == ""
    app.text_input(key="gallery.find").set_value("").run()
    assert asked(app, "sort") == ""
    app.text_input(key="gallery.find").set_value("red car, -snow").run()
    assert (asked(app, "sort"), len(no_process)) == (column, 1)  # known words need no job
    app.text_input(key="gallery.find").set_value("-snow").run()
    assert "without a dash" in words(app)


@pytest.mark.slow
def test_a_dataset_becomes_searchable_by_a_job_or_says_what_to_install(
    open_gallery, own, add_run, no_process, asked, words, monkeypatch
):
    monkeypatch.setattr(grid_actions, "find_spec", lambda _: None)
    assert "pip install" in words(open_gallery(own))
    monkeypatch.setattr(grid_actions, "find_spec", find_spec)
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    app = open_gallery(own)
    clip = app.selectbox(key="gallery.words.model").value
    next(button for button in app.button if button.label == "Make it searchable").click().run()
    assert no_process == [(["score", "digits", f"--model=clip:{clip}"], "score", "digits")]
    assert asked(app, "gallery.searchable") == f"clip:{clip}"
    made = add_run(own.root, "clip-1", lambda rows: rows, model=f"clip:{clip}")
    app.run()
    assert (asked(app, "run"), asked(app, "gallery.searchable")) == (made, "")
    assert app.text_input(key="gallery.find")
    other = open_gallery(own, run=own.dataset("digits").run("avhcurate:digits").name)
    other.button(key="gallery.words_run").click().run()
    assert asked(other, "run") == made
