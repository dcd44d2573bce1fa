"""The overview's figures say what their tables say."""

import numpy as np
import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.features.home.plots import hsf_histogram
from avhcurate.ui.charts.chart_style import count_bars, ramp

EDGES = (0.0, 0.5, 1.0)


def test_bars_stand_over_their_hsf_in_the_colour_of_their_bin_which_says_its_n_between_its_edges():
    n, edges = np.histogram([0.1, 0.1, 0.6, 1.0], bins=20, range=(0, 1))
    figure = hsf_histogram(
        pd.DataFrame({"low": edges[:-1], "high": edges[1:], "n": n, "to": [Filters()] * 20}), [1, 1234], edges=EDGES
    )
    (drawn,) = figure.data
    assert list(drawn.y) == n.tolist()
    hard, easy = ramp(2)
    assert [color == hard for color in drawn.marker.color] == [middle < 0.5 for middle in drawn.x]
    assert drawn.marker.color[-1] == easy
    assert [(note.x, note.text) for note in figure.layout.annotations] == [(0.25, "n 1"), (0.75, "n 1,234")]
    assert [shape.x0 for shape in figure.layout.shapes] == list(EDGES)


def test_a_bar_a_class_and_one_for_samples_without_a_label():
    cat = """cat's "own" class"""
    counts = pd.DataFrame({"name": [cat, "dog", "none"], "n": [3, 1200, 5], "to": [Filters()] * 3})
    (drawn,) = count_bars(counts).data
    assert dict(zip(drawn.y, drawn.x, strict=True)) == {cat: 3, "dog": 1200, "none": 5}
    assert drawn.marker.color[2] != drawn.marker.color[0]
