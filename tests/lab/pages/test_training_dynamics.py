"""The Training dynamics page without a browser: its states, its curves, the map with its regions, the job it starts."""

import base64
import re

import numpy as np
import pytest

import avhcurate
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.lab.training_dynamics import service
from avhcurate.ui.charts.regions import read_region
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs

ONE, TWO, CUT = (f"avhcurate-digits-cross-entropy-{seed}-{seed:08x}" for seed in range(3))


@pytest.fixture
def opened(open_page, trained_root):
    """The page of the trained digits, with some of the trainings."""

    def run(*names, **query):
        chosen = {"dynamics__trainings": ",".join(names)} if names else {}
        return open_page("training_dynamics", trained_root, **chosen, **query)

    return run


@pytest.fixture
def trained(trained_root):
    return open_dataset(Workspace(trained_root), "digits")


def numbers(values):
    """Columns of a figure, which may be packed."""
    if not isinstance(values, dict):
        return np.asarray(values, float)
    packed = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return packed.reshape([int(part) for part in str(values.get("shape", -1)).split(",")])


def points_on(figure):
    """Id to place of the points that a map draws."""
    found = {}
    for trace in figure["data"]:
        if trace["type"] == "scattergl":
            ids = [int(id) for id in trace["ids"]]
            found |= dict(zip(ids, zip(numbers(trace["x"]), numbers(trace["y"]), strict=True), strict=True))
    return found


def tiles(grids, app):
    return [tile["id"] for tile in grids(app)["Images"]["tiles"]]


def test_without_a_training_it_offers_one_with_what_can_be_found_out_filled_in(open_page, demo_root, words):
    app = open_page("training_dynamics", demo_root)
    assert "No training has evaluated digits yet" in words(app)
    assert app.selectbox(key="train.model").value == "avhcurate:digits"
    assert (app.number_input(key="train.epochs").value, app.text_input(key="train.seeds").value) == (None, "0")
    assert not app.get("plotly_chart")


def test_curves_are_the_services_numbers_for_all_samples_and_every_bin(opened, figures, trained):
    app = opened(ONE)
    expected = service.curves(trained.samples, trained.votes, trained.dataset.training(ONE))
    drawn = [trace for trace in figures(app)[0]["data"] if "standard error" in trace.get("hovertemplate", "")]
    drawn = [trace for trace in drawn if trace["legendgroup"] != "training data"]
    names = ["all", *dict.fromkeys(name for name in expected["bin"] if name != "all")]
    assert len(drawn) == 4 * len(names)
    for trace in drawn:
        rows = expected[expected["bin"] == trace["legendgroup"]]
        key = {"Mean A": "avh", "Mean n": "norm", "Mean l": "loss", "Accura": "accuracy"}[trace["hovertemplate"][:6]]
        np.testing.assert_allclose(numbers(trace["y"]), rows[key], atol=1e-5)


def test_trainings_side_by_side_are_chosen_from_the_list_and_kept_in_the_address(opened, asked, figures):
    app = opened(ONE)
    app.multiselect(key="dynamics.trainings").set_value([ONE, TWO]).run()
    assert not app.exception
    assert asked(app, "dynamics.trainings") == f"{ONE},{TWO}"
    titles = [note["text"] for note in figures(app)[0]["layout"]["annotations"]]
    assert titles == ["digits · cross-entropy · seed 0", "digits · cross-entropy · seed 1"]
    assert sum(trace["type"] == "scattergl" for trace in figures(app)[1]["data"]) == 1


def test_filters_of_the_frame_narrow_curves_map_and_reading(opened, figures, trained):
    app = opened(ONE, **{"class": "3"})
    threes = set(trained.samples.frame(columns=["id", "label"]).query("label == 3")["id"])
    ids = set(points_on(figures(app)[1]))
    assert ids == threes & set(trained.dataset.training(ONE).ids())
    first = next(trace for trace in figures(app)[0]["data"] if trace.get("name") == "all")
    assert {int(row[0]) for row in numbers(first["customdata"])} == {len(ids)}


def test_the_five_discoveries_are_read_with_their_figures(opened, words, trained):
    app = opened(ONE)
    expected = service.findings(trained.samples, trained.run, trained.votes, [trained.dataset.training(ONE)])
    said = words(app)
    assert [finding.discovery for finding in expected] == [1, 2, 3, 4, 5]
    for finding in expected:
        assert f"**{finding.discovery} · {finding.title}**" in said.replace("\\", "")
    verdicts = [line for line in said.splitlines() if "-badge[:material" in line and "Simulated" not in line]
    assert [finding.verdict in line for finding, line in zip(expected, verdicts, strict=True)] == [True] * 5
    tables = [frame.value for frame in app.dataframe if "Figure" in frame.value]
    shown = {(row["Figure"], row["Value"]) for table in tables for row in table.to_dict("records")}
    for figure in (figure for finding in expected for figure in finding.figures):
        assert (figure.label, f"{figure.value:.4g}") in shown


def test_an_unfinished_training_is_shown_as_far_as_it_came(opened, words, figures):
    app = opened(CUT)
    said = words(app)
    assert "epoch 3 of 10" in said
    assert "too little data" in said
    assert points_on(figures(app)[1])


def test_a_training_that_has_just_begun_waits_for_its_first_look(own_trained, open_page, words, figures):
    root, folder = own_trained
    folder.truncate(-1)
    app = open_page("training_dynamics", root)
    assert "first evaluation is still to come" in words(app)
    assert "begins with the first whole epoch" in words(app)
    assert not figures(app)


@pytest.fixture
def own_trained(own_demo_root, train_digits):
    """A workspace that may be changed, and its one training, cut short after an epoch."""
    return own_demo_root, train_digits(own_demo_root, epochs=4, stop_after=1, images=120)


def test_a_training_of_the_users_own_shows_what_it_learns_from_and_no_discoveries(
    own_demo_root, open_page, words, figures
):
    digits = avhcurate.open(own_demo_root, "digits")
    labels = digits.to_torch("id < 200", ids=True).labels
    ids = np.arange(200)
    right = np.eye(10)[labels] * (1 + ids[:, None] / 999)
    for epoch in range(1, 4):
        digits.heard(ids, np.where(ids[:, None] < 20, -right, right) * epoch)
    app = open_page("training_dynamics", own_demo_root)
    said = words(app)
    assert "90.0 % of 200 images learnt from right after epoch 3." in said
    assert "learns from 200 images of digits and holds none out · epoch 3 in" in said
    assert "this training holds none out" in said
    points = points_on(figures(app)[1])
    assert {id for id, (_, confidence) in points.items() if confidence < 0.1} == {*range(20)}
    app.button(key="dynamics.corner.Least believed tenth").click().run()
    (inside,) = re.findall(r"\*\*(\d+) of 200 images in the region", words(app))
    assert 18 <= int(inside) <= 20  # an address holds few digits of its ends


@pytest.mark.slow
def test_without_votes_there_are_no_bins_and_hsf_is_not_offered(voteless_root, train_digits, open_page, words, figures):
    train_digits(voteless_root, epochs=2, images=120)
    app = open_page("training_dynamics", voteless_root)
    groups = {trace.get("legendgroup") for trace in figures(app)[0]["data"]}
    assert "all" in groups
    assert not any(str(group).startswith("[") for group in groups)
    assert app.segmented_control(key="dynamics.color").options == ["Correctness", "AVH"]
    assert "imulated" not in words(app)


def test_the_map_of_samples_learnt_from_is_another(opened, asked, words, figures, trained):
    app = opened(ONE, dynamics__region="-inf:-inf:inf:inf")
    app.segmented_control(key="dynamics.samples").set_value("learnt from").run()
    assert not app.exception
    assert asked(app, "dynamics.samples") == "learnt from"
    training = trained.dataset.training(ONE)
    assert set(points_on(figures(app)[1])) == set(training.ids("learnt from"))
    assert "120 images learnt from" in words(app)


@pytest.mark.slow
def test_a_box_drawn_on_the_map_goes_into_the_address_and_shows_its_images(opened, asked, grids, words, trained):
    app = opened(ONE)
    assert "Images" not in grids(app)
    box = {"xref": "x", "yref": "y", "x": [0.5, 0.2], "y": [0.0, 0.8]}
    app.session_state["dynamics.map.0"] = {"selection": {"points": [], "box": [box], "lasso": []}}
    app.run()
    assert not app.exception
    assert asked(app, "dynamics.region") == "0.2:0:0.5:0.8"
    assert app.session_state["dynamics.turn"] == 1
    region = read_region("0.2:0:0.5:0.8")
    points = service.data_map(trained.samples, trained.dataset.training(ONE))
    inside = points[region.holds(points["variability"], points["confidence_mean"])]
    assert len(inside) > 5
    assert tiles(grids, app) == inside.sort_values("confidence_mean", kind="stable")["id"].tolist()[:60]
    assert f"{len(inside):,} of {len(points):,} images in the region" in words(app)
    app.button(key="dynamics.corner.Most varied tenth").click().run()
    assert asked(app, "dynamics.region").endswith(":inf:inf")
    assert "90 of 896 images in the region" in words(app)
    app.button(key="dynamics.clear").click().run()
    assert asked(app, "dynamics.region") == ""
    assert "Images" not in grids(app)


@pytest.mark.slow
def test_images_of_a_region_are_tagged_and_excluded(own_trained, open_page, grids, act, figures):
    root, folder = own_trained
    opened = open_dataset(Workspace(root), "digits")
    annotate(opened.decisions, [1700], "tag", "odd")
    app = open_page("training_dynamics", root, dynamics__region="-inf:-inf:inf:inf")
    before = tiles(grids, app)
    act(app, "tag", 0, grids(app)["Images"]["count"], value="odd")
    assert not app.exception
    opened.refresh()
    assert set(opened.samples.frame(Filters(tags=("odd",)), columns=["id"])["id"]) == {1700, *folder.ids()}
    act(app, "exclude", 0, 2)
    assert not app.exception
    assert not set(before[:2]) & set(tiles(grids, app))
    assert not set(before[:2]) & set(points_on(figures(app)[1]))


def test_a_running_training_is_shown_with_its_progress_and_blocks_another(own_trained, open_page, words):
    root, _ = own_trained
    queue = Jobs(root)
    record = queue.create("train", "digits", ["train", "digits", "--model=avhcurate:digits"])
    with queue.running(record) as progress:
        progress.tell(120, 480, "epoch 1 of 4")
        app = open_page("training_dynamics", root)
        assert "Train digits with avhcurate:digits" in words(app).replace("\\", "")
        assert app.button(key="jobs.cancel").label == "Cancel"
        assert next(button for button in app.button if button.label == "Start training").disabled
        assert "epoch 1 of 4" in words(app)


def test_the_form_starts_the_command_line(open_page, demo_root, start):
    app = open_page("training_dynamics", demo_root)
    app.number_input(key="train.epochs").set_value(1)
    app.selectbox(key="train.loss").set_value("avh")
    app.text_input(key="train.train_where").set_value("split = 'train' AND id % 4 = 0")
    options = ["--loss=avh", "--epochs=1", "--train-where=split = 'train' AND id % 4 = 0"]
    assert start(app, "Start training") == [["train", "digits", "--model=avhcurate:digits", *options]]
