"""Figures of the Models page: values as in the tables, and what a click carries."""

import numpy as np

from avhcurate.features.compare import plots as compare_plots
from avhcurate.measures.stats.calibration import calibrate

RNG = np.random.default_rng(0)


def test_reliability_has_a_line_a_run_through_its_bins():
    found = calibrate(RNG.random(200), RNG.random(200) < 0.5)
    figure = compare_plots.reliability(dict.fromkeys("ab", found), {"a": "one", "b": "two"}, linked=True)
    assert [trace.name for trace in figure.data] == ["one", "two"]
    assert list(figure.data[0].y) == found.bins["accuracy"].tolist()
