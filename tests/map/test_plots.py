"""The map's figures: every point where it lies with its colour and id, cells, class weights, and the frame."""

import numpy as np
import pytest

from avhcurate.map.plots import (
    Legend,
    Scale,
    add_class_weights,
    add_group_names,
    cells,
    fold,
    framed,
    group_colors,
    points,
    scale_of,
)
from avhcurate.ui.chart_style import EASY, HARD, ramp

X, Y = np.arange(6, dtype=float), np.arange(6, dtype=float) ** 2
CUSTOM = np.stack([np.arange(6) + 100, np.zeros(6), np.ones(6)], axis=1).astype(np.int32)


def drawn(figure):
    """Of each id where it lies."""
    return {
        int(row[0]): (x, y)
        for trace in figure.data
        for row, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }


PLACES = {100 + i: (X[i], Y[i]) for i in range(6)}


def test_points_lie_where_they_should_in_the_colour_of_their_group():
    groups = np.array([0, 1, 1, -1, 0, 1])
    legend = Legend([("cat (2)", "red"), ("dog (3)", "blue")], without=("none (1)", "grey"))
    figure = points(X, Y, CUSTOM, groups, legend)
    assert drawn(figure) == PLACES
    said = {trace.name: (trace.marker.color, trace.customdata[:, 0].tolist()) for trace in figure.data}
    ids = {"none (1)": ("grey", [103]), "cat (2)": ("red", [100, 104]), "dog (3)": ("blue", [101, 102, 105])}
    assert said == ids


def test_groups_are_told_apart_without_their_colour():
    groups = np.arange(6)
    figure = points(X, Y, CUSTOM, groups, Legend([(str(group), "red") for group in range(12)]))
    symbols = [trace.marker.symbol for trace in figure.data]
    assert len(set(symbols[:10])) == 10
    assert symbols[10:] == symbols[:1] * 2  # grey together
    add_group_names(figure, X, Y, np.array([0, 0, 0, 1, 1, -1]), ["cat", "dog", "cow"])
    assert {note.text: (note.x, note.y) for note in figure.layout.annotations} == {"cat": (1, 1), "dog": (3.5, 12.5)}


def test_points_outside_the_region_are_dimmed():
    legend = Legend([("cat (3)", "red"), ("dog (3)", "blue")])
    groups = np.array([0, 0, 0, 1, 1, 1])
    figure = points(X, Y, CUSTOM, groups, legend, inside=np.array([0, 1, 0, 0, 0, 0], bool))
    cat, dog = figure.data
    assert [list(trace.selectedpoints) for trace in (cat, dog)] == [[1], []]
    assert all(trace.unselected.marker.opacity < trace.selected.marker.opacity / 4 for trace in (cat, dog))
    assert all(trace.selectedpoints is None for trace in points(X, Y, CUSTOM, groups, legend).data)


@pytest.mark.parametrize("harder", ["high", "low", ""])
def test_the_hardest_lie_on_top_and_are_orange(harder):
    values = np.array([0.5, 0.1, np.nan, 0.9, 0.3, 0.7])
    scale = Scale("AVH", 0.1, 0.9, harder)
    figure = points(X, Y, CUSTOM, values, scale)
    assert drawn(figure) == PLACES
    missing, known = figure.data
    assert missing.customdata[:, 0].tolist() == [102]
    expected = [101, 104, 100, 105, 103]
    assert known.customdata[:, 0].tolist() == (expected[::-1] if harder == "low" else expected)
    ends = [scale.colors[0], scale.colors[-1]]
    assert ends == (ramp(2) if harder == "low" else ramp(2)[::-1])


def test_a_few_extreme_values_leave_the_scale_alone():
    scale = scale_of(np.r_[np.linspace(0, 1, 1000), 1e9, np.nan], "AVH")
    assert scale.high < 1.1
    assert scale_of(np.array([np.nan]), "AVH").high == 1
    assert scale_of(np.full(3, 7.0), "AVH").low < scale_of(np.full(3, 7.0), "AVH").high


def test_cells_are_drawn_once_each_and_fewer_samples_are_paler():
    counts = np.array([[0, 1], [30, 1000]])
    means = np.array([[np.nan, 0.2], [0.4, 0.6]])
    figure = cells(np.arange(2.0), np.arange(2.0), np.zeros((2, 2, 3)), counts, means, Scale("AVH", 0, 1))
    together = np.nansum([np.nan_to_num(trace.z, nan=0) for trace in figure.data], axis=0)
    np.testing.assert_allclose(together, np.nan_to_num(means), rtol=1e-6)
    opacity = {count: trace.opacity for trace in figure.data for count in counts[np.isfinite(trace.z)]}
    assert opacity[1] < opacity[30] < opacity[1000]
    assert sum(trace.showscale for trace in figure.data) == 1


def test_cells_of_groups_have_the_colours_of_the_legend():
    legend = Legend([("cat (2)", "red"), ("dog (3)", "blue")])
    counts, groups = np.array([[9, 9], [0, 9]]), np.array([[0, 1], [-1, 1]])
    figure = cells(np.arange(2.0), np.arange(2.0), np.zeros((2, 2, 3)), counts, groups, legend)
    (heat,) = (trace for trace in figure.data if trace.type == "heatmap")
    assert [(place, color) for place, color in heat.colorscale] == [
        (0, "red"),
        (0.5, "red"),
        (0.5, "blue"),
        (1, "blue"),
    ]
    assert (heat.zmin, heat.zmax) == (-0.5, 1.5)
    assert [trace.name for trace in figure.data if trace.type == "scatter"] == ["cat (2)", "dog (3)"]


def test_class_weights_have_their_names_as_text_and_those_without_a_place_are_left_out():
    figure = points(X, Y, CUSTOM, np.zeros(6, int), Legend([("all (6)", "red")]))
    add_class_weights(figure, np.array([[0, 1], [np.nan, np.nan], [2, 3]]), ["cat", "dog", "<b>bad</b>"])
    weights = figure.data[-1]
    assert weights.customdata.tolist() == [[-1, 0], [-1, 2]]
    assert weights.name == "class weights (2)"
    assert [note.text for note in figure.layout.annotations] == ["cat", "&lt;b&gt;bad&lt;/b&gt;"]
    many = points(X, Y, CUSTOM, np.zeros(6, int), Legend([("all (6)", "red")]))
    add_class_weights(many, np.zeros((1000, 2)), [str(index) for index in range(1000)])
    assert not many.layout.annotations


def test_many_groups_are_folded_into_the_largest_and_the_rest():
    groups = np.r_[np.repeat(np.arange(14), np.arange(14) + 1), -1]
    new, names = fold(groups, [f"c{index}" for index in range(14)], rest="others")
    assert names == [*(f"c{index}" for index in range(4, 14)), "others"]
    assert np.bincount(new[new >= 0]).tolist() == [*range(5, 15), 10]
    assert new[-1] == -1
    same, names = fold(groups[groups < 3], ["a", "b", "c"], rest="others")
    assert names == ["a", "b", "c"]
    assert same.max() == 2


def test_bins_go_from_hard_to_easy_and_what_stands_out_is_orange():
    assert group_colors("hsf_bin", 2) == ramp(2)
    assert group_colors("mistake", 2)[1] == HARD
    assert len(set(group_colors("label", 10))) == 10
    assert group_colors("label", 1)[0] == EASY


def test_the_frame_has_one_scale_for_both_axes_and_the_outline_of_the_region():
    figure = framed(points(X, Y, CUSTOM, np.zeros(6, int), Legend([])), (0, 4, 1, 3), outline=([0, 1, 1], [0, 0, 2]))
    assert figure.layout.yaxis.scaleanchor == "x"
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((0, 4), (1, 3))
    assert figure.layout.shapes[0].path == "M0,0L1,0L1,2Z"


def test_names_of_tags_and_columns_are_text_and_never_markup():
    scale = scale_of(X, "<a href='x'>odd</a>")
    figure = framed(points(X, Y, CUSTOM, X, scale), (0, 1, 0, 1), legend="Tag <b>")
    assert "&lt;a" in str(figure.data[0].marker.colorbar.title.text)
    assert figure.layout.legend.title.text == "Tag &lt;b&gt;"
