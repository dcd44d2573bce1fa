"""Figures of image quality: every image is in a bar, and the cut parts copies from the rest."""

import numpy as np
import pandas as pd

from avhcurate.features.quality.plots import measure_histograms, similarity_histogram
from avhcurate.ui.chart_style import BLUE, ORANGE


def test_each_measure_has_its_bars_and_the_chosen_one_stands_out():
    even = pd.DataFrame({"low": [0.0, 0.5], "high": [0.5, 1.0], "n": [3, 4]})
    one = pd.DataFrame({"low": [8.0, 9.0, 10.0], "high": [9.0, 10.0, 11.0], "n": [7, 0, 0]})
    figure = measure_histograms({"contrast": even, "width": one}, chosen="width")
    assert [list(bar.y) for bar in figure.data] == [[3, 4], [7]]
    assert [bar.marker.color for bar in figure.data] == [BLUE, ORANGE]
    assert [note.text for note in figure.layout.annotations] == ["Contrast", "Width, px"]


def test_bars_below_the_cut_are_the_copies():
    degrees = np.array([0.0, 0.5, 2.0, 20.0, 30.0, 40.0])
    figure = similarity_histogram(np.append(np.cos(np.radians(degrees)), np.nan), cut=np.cos(np.radians(5)))
    (bar,) = figure.data
    colors = np.array(bar.marker.color)
    assert sum(bar.y) == 6
    assert np.array(bar.y)[colors == ORANGE].sum() == 3
    assert (np.array(bar.x)[colors == ORANGE] <= 5).all()
    assert figure.layout.annotations[0].text.startswith("copies up to 5°")
