"""What a map shows: the samples in view with a place, the group or number that colours each, colours and order."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.map.plots import ends, fold, group_colors, hardest_last
from avhcurate.features.map.points import color_options, points_in_view
from avhcurate.ui.charts.chart_style import HARD, SLATE, ramp
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import HOSTILE_COLUMN, copied


@pytest.fixture(scope="module")
def opened(demo_root, tmp_path_factory, plant_map):
    root = copied(demo_root, tmp_path_factory.mktemp("mapping") / "demo")
    plant_map(root)
    opened = open_dataset(Workspace(root), "digits")
    annotate(opened.decisions, [4, 5, 6], "tag", "odd")
    annotate(opened.decisions, [7, 8], "exclude")
    return opened


@pytest.fixture(scope="module")
def folder(opened, plant_map):
    return plant_map(opened.dataset.root.parents[1])


EVERY = Filters(excluded=None)


def test_samples_in_view_lie_where_the_map_has_them(opened, folder):
    points = points_in_view(opened.samples, folder, Filters(classes=(3, 8)), color="label")
    labels = opened.dataset.labels()
    expected = [id for id in range(1797) if labels[id] in (3, 8) and id not in (7, 8)]
    assert points["id"].tolist() == expected
    assert (points["x"] == 30 + points["id"] % 7).all()
    assert (points["y"] == 12 * (points["label"] // 5) + points["id"] % 6).all()
    assert (points["color"].cat.codes == points["label"]).all()


@pytest.mark.parametrize(
    ("color", "column"),
    [("hsf_bin", "hsf_bin"), ("split", "split"), ("excluded", "excluded"), ("predicted", "predicted_name")],
)
def test_groups_are_those_of_the_table(opened, folder, color, column):
    colors = points_in_view(opened.samples, folder, EVERY, color=color)["color"]
    values = opened.samples.frame(EVERY, columns=[column])[column].replace({False: "kept", True: "excluded"})
    assert colors.tolist() == values.tolist()
    names = {"split": ["test", "train"], "excluded": ["kept", "excluded"]}
    assert colors.cat.categories.tolist() == names.get(color, colors.cat.categories.tolist())


def test_mistakes_and_tags_are_groups(opened, folder):
    points = points_in_view(opened.samples, folder, EVERY, color="mistake")
    frame = opened.samples.frame(EVERY, columns=["label", "predicted"])
    assert (points["color"].cat.codes == (frame["label"] != frame["predicted"]).to_numpy(int)).all()
    points = points_in_view(opened.samples, folder, EVERY, color="tag:odd")
    assert points["id"][points["color"] == "with it"].tolist() == [4, 5, 6]


def test_samples_without_a_place_are_left_out(opened, folder):
    ids, places = folder.coordinates()
    kept = ids % 3 == 0
    folder.finish(folder.record, ids[kept], places[kept], folder.class_weights())
    points = points_in_view(opened.samples, folder, EVERY, color="avh")
    assert points["id"].tolist() == list(range(0, 1797, 3))
    np.testing.assert_array_equal(points["color"], opened.samples.frame(EVERY, columns=["avh"])["avh"].to_numpy()[::3])
    folder.finish(folder.record, ids, places, folder.class_weights())


def test_colours_are_offered_where_there_is_something_to_see(opened, digits):
    assert {"label", "hsf_bin", "split", "avh", "hsf", "tag:odd"} <= set(color_options(opened.samples))
    assert "tag:odd" not in color_options(digits.samples)


@pytest.fixture(scope="module")
def columns(columns_root, tmp_path_factory, plant_map):
    root = copied(columns_root, tmp_path_factory.mktemp("columns") / "workspace")
    samples = Workspace(root).dataset("digits").samples_path
    rows = pq.read_table(samples)
    rows = rows.append_column("mistake", pa.array(range(len(rows)))).append_column("tag:x", pa.array(["a"] * len(rows)))
    pq.write_table(rows, samples)
    return open_dataset(Workspace(root), "digits"), plant_map(root)


def test_own_columns_colour_and_those_of_many_texts_do_not(columns):
    options = color_options(columns[0].samples)
    assert {"my_score", HOSTILE_COLUMN, "place", "seen", "mistake", "own:mistake", "own:tag:x"} < set(options)
    assert "camera" not in options
    assert options["own:mistake"] == "mistake"


@pytest.mark.parametrize("color", ["my_score", HOSTILE_COLUMN, "own:mistake"])
def test_an_own_number_is_the_colour_of_its_samples(columns, color):
    opened, folder = columns
    points = points_in_view(opened.samples, folder, EVERY, color=color)
    np.testing.assert_array_equal(
        points["color"], opened.samples.frame(EVERY)[color.removeprefix("own:")].to_numpy(float, na_value=np.nan)
    )


@pytest.mark.parametrize(
    ("color", "names"), [("place", ("park, old", "zoo")), ("seen", ("no", "yes")), ("own:tag:x", ("a",))]
)
def test_texts_and_truths_are_groups(columns, color, names):
    opened, folder = columns
    points = points_in_view(opened.samples, folder, EVERY, color=color)
    assert tuple(points["color"].cat.categories) == names
    values = opened.samples.frame(EVERY)[color.removeprefix("own:")]
    assert (points["color"].isna() == values.isna().to_numpy()).all()
    if color == "place":
        assert points["color"].dropna().tolist() == values.dropna().tolist()


@pytest.mark.parametrize("harder", ["high", "low", ""])
def test_the_hardest_lie_on_top(harder):
    missing, *known = hardest_last(np.array([0.5, 0.1, np.nan, 0.9, 0.3, 0.7]), harder).tolist()
    expected = [1, 4, 0, 5, 3]
    assert missing == 2
    assert known == (expected[::-1] if harder == "low" else expected)


def test_a_few_extreme_values_leave_the_scale_alone():
    assert ends(np.r_[np.linspace(0, 1, 1000), 1e9, np.nan])[1] < 1.1
    assert ends(np.array([np.nan])) == (0, 1)
    assert ends(np.full(3, 7.0)) == (7, 8)


def test_many_groups_are_folded_into_the_largest_and_the_rest():
    groups = np.r_[np.repeat(np.arange(14), np.arange(14) + 1), -1]
    new, names = fold(groups, [f"c{index}" for index in range(14)])
    assert names == [*(f"c{index}" for index in range(4, 14)), "others"]
    assert np.bincount(new[new >= 0]).tolist() == [*range(5, 15), 10]
    assert new[-1] == -1
    same, names = fold(groups[groups < 3], ["a", "b", "c"])
    assert names == ["a", "b", "c"]
    assert same.max() == 2


def test_bins_go_from_hard_to_easy_and_exceptions_are_orange():
    assert group_colors("hsf_bin", 2) == ramp(2)
    assert group_colors("mistake", 2)[1] == HARD
    assert len(set(group_colors("label", 10))) == 10
    assert group_colors("label", 1)[0] == SLATE
