"""The class chart: every series beside the others, and only the telling classes when there are many."""

import numpy as np

from avhcurate.datasets.table.sample import Inspection
from avhcurate.ui.charts.chart_style import class_bars


def test_votes_and_softmax_are_bars_and_angles_are_dots_the_nearest_highest():
    votes, softmax, angles = np.array([0.9, 0.1]), np.array([0.2, 0.8]), np.radians([90, 75])
    figure = class_bars(["cat", "dog"], Inspection({}, {}, votes, softmax, angles))
    assert [(series.type, series.name) for series in figure.data] == [
        *(("bar", "Human votes"), ("bar", "Softmax"), ("scatter", "Angle")),
    ]
    np.testing.assert_allclose([series.y for series in figure.data], [votes, softmax, [90, 75]])
    assert figure.layout.yaxis2.autorange == "reversed"


def test_of_many_classes_those_stay_that_are_large_in_any_series():
    classes = [f"class {index}" for index in range(1000)]
    softmax, angles = np.full(1000, 1e-4), np.full(1000, 1.6)
    softmax[700], angles[3] = 0.9, 1.2
    figure = class_bars(classes, Inspection({}, {}, None, softmax, angles))
    shown = figure.data[0].x
    assert len(shown) == 12
    assert {"class 3", "class 700"} <= set(shown)


def test_the_name_of_a_class_is_no_markup():
    figure = class_bars(["<b>cat</b>", "dog"], Inspection({}, {}, np.array([1, 0]), None, None))
    assert list(figure.data[0].x) == ["‹b›cat‹/b›", "dog"]
