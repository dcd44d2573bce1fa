"""Figures of image quality: every image is in a bar, and the cut parts copies from the rest."""

import numpy as np

from avhcurate.features.quality.plots import similarity_histogram
from avhcurate.ui.charts.chart_style import BLUE


def test_bars_below_the_cut_are_the_copies():
    degrees = np.array([0.0, 0.5, 2.0, 20.0, 30.0, 40.0])
    figure = similarity_histogram(np.append(np.cos(np.radians(degrees)), np.nan), cut=np.cos(np.radians(5)))
    (bar,) = figure.data
    colors = np.array(bar.marker.color)
    assert sum(bar.y) == 6
    assert np.array(bar.y)[colors == BLUE].sum() == 3
    assert (np.array(bar.x)[colors == BLUE] <= 5).all()
    assert figure.layout.annotations[0].text.startswith("copies up to 5°")
