"""The figure of pseudo-labels: accuracies as in their table."""

import numpy as np
import pandas as pd

from avhcurate.features.pseudo_labels.plots import accuracy_by_portion

NAMES = {"confidence": "Confidence", "avc": "AVC"}


def test_a_line_a_rule_with_the_interval_of_the_rule_in_use():
    curve = pd.DataFrame(
        [
            (rule, p, 100, 1 - p / d, 0.9 - p / d, 1.0)
            for rule, d in (("confidence", 4), ("avc", 2))
            for p in (0.5, 0.1)
        ],
        columns=["rule", "portion", "n", "accuracy", "low", "high"],
    )
    figure = accuracy_by_portion(curve, rule="avc", portion=0.1, names=NAMES)
    lines = {trace.name: trace for trace in figure.data if trace.mode == "lines+markers"}
    assert list(lines) == ["Confidence", "AVC"]
    assert list(lines["AVC"].x) == [0.1, 0.5]
    np.testing.assert_allclose(lines["AVC"].y, [0.95, 0.75])
    (band,) = [trace for trace in figure.data if trace.fill == "toself"]
    np.testing.assert_allclose(band.y, [1.0, 1.0, 0.65, 0.85])
    assert figure.layout.shapes[0].x0 == 0.1
