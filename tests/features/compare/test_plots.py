"""Figures of the Models page: values as in the tables, and what a click carries."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.features.compare import plots as compare_plots
from avhcurate.measures.stats.calibration import calibrate

RNG = np.random.default_rng(0)


def test_a_cell_of_the_confusion_carries_label_and_prediction():
    counts = np.arange(16).reshape(4, 4)[1::2, 1::2]
    figure = compare_plots.confusion(counts, [1, 3], ["a", "b", "c", "a name that is too long to stand there"])
    cells = next(trace for trace in figure.data if trace.type == "scatter")
    assert cells.customdata.tolist() == [[1, 1, 5], [1, 3, 7], [3, 1, 13], [3, 3, 15]]
    assert all(len(text) <= 14 for text in figure.layout.xaxis.ticktext)


def test_reliability_has_a_line_a_run_through_its_bins():
    found = calibrate(RNG.random(200), RNG.random(200) < 0.5)
    figure = compare_plots.reliability({"one": found, "two": found})
    assert [trace.name for trace in figure.data] == ["one", "two"]
    assert list(figure.data[0].y) == found.bins["accuracy"].tolist()


def test_transfer_draws_a_point_a_model_and_bin_and_the_fit():
    points = pd.DataFrame({"model": ["m", "n"] * 2, "bin": ["low"] * 2 + ["high"] * 2, "x": [0.2, 0.3, 0.7, 0.8]})
    points = points.assign(y=points["x"] / 2, x_n=50, y_n=60, bin=pd.Categorical(points["bin"], ["low", "high"]))
    for side in "xy":
        points[f"{side}_low"], points[f"{side}_high"] = points[side] - 0.1, points[side] + 0.1
    figure = compare_plots.transfer(points, sides=("a", "b"), simulated=True)
    low, high, fit = figure.data
    assert (list(low.x), list(high.x)) == ([0.2, 0.3], [0.7, 0.8])
    assert list(low.text) == ["m", "n"]
    assert list(fit.y) == pytest.approx([0.1, 0.4])
