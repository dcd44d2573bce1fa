"""The pseudo-label figures: counts and accuracies as in their tables."""

import numpy as np
import pandas as pd

from avhcurate.features.pseudo_labels.plots import accuracy_by_portion, selected_per_class

NAMES = {"confidence": "Confidence", "avc": "AVC"}


def test_selected_ones_stand_within_their_candidates():
    classes = pd.DataFrame({"label_name": ["cat", "dog"], "candidates": [10, 4], "selected": [3, 0]})
    candidates, selected = selected_per_class(classes).data
    assert dict(zip(candidates.y, candidates.x, strict=True)) == {"cat": 10, "dog": 4}
    assert dict(zip(selected.y, selected.x, strict=True)) == {"cat": 3, "dog": 0}
    assert selected_per_class(classes).layout.barmode == "overlay"


def test_the_name_of_a_class_is_no_markup():
    figure = selected_per_class(pd.DataFrame({"label_name": ["<b>"], "candidates": [1], "selected": [1]}))
    assert {*figure.data[0].y, *figure.data[1].y, figure.layout.annotations[0].y} == {"‹b›"}


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
