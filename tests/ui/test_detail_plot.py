"""The class chart: every series beside the others, and only the telling classes when there are many."""

import numpy as np

from avhcurate.ui.detail_plot import class_bars


def test_votes_softmax_and_avc_stand_side_by_side_for_each_class():
    votes, softmax, avc = np.array([0.9, 0.1]), np.array([0.2, 0.8]), np.array([0.45, 0.55])
    figure = class_bars(["cat", "dog"], votes=votes, softmax=softmax, avc=avc)
    assert [bar.name for bar in figure.data] == ["Human votes", "Softmax", "AVC"]
    assert len({bar.offsetgroup for bar in figure.data}) == 3
    np.testing.assert_array_equal([bar.y for bar in figure.data], [votes, softmax, avc])


def test_of_many_classes_those_stay_that_are_large_in_any_series():
    classes = [f"class {index}" for index in range(1000)]
    softmax, avc = np.full(1000, 1e-4), np.full(1000, 1e-3)
    softmax[700], avc[3] = 0.9, 0.002
    figure = class_bars(classes, votes=None, softmax=softmax, avc=avc, most=5)
    shown = figure.data[0].x
    assert len(shown) == 5
    assert {"class 3", "class 700"} <= set(shown)


def test_the_name_of_a_class_is_no_markup():
    figure = class_bars(["<b>cat</b>", "dog"], votes=np.array([1, 0]), softmax=None, avc=None)
    assert list(figure.data[0].x) == ["‹b›cat‹/b›", "dog"]
