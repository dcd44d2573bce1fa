"""Figures of self-training: a panel a quantity, a line a rule, bands that stay shares, and classes before and after."""

import numpy as np
import pandas as pd

from avhcurate.self_training.plots import before_and_after, curves, stroke


def values(**changes):
    rows = [
        {"quantity": key, "line": line, "round": number, "value": 0.9, "low": 0.7, "high": 1.1} | changes
        for key in ("accuracy", "mean_norm", "ece", "precision")
        for line in (0, 1)
        for number in (0, 1, 2)
    ]
    return pd.DataFrame(rows)


STROKES = [stroke("Confidence", "confidence"), stroke("AVC + MRKLD", "avc-mrkld")]


def test_colour_tells_the_gate_and_the_dash_what_is_learnt():
    confidence, avc, both = (stroke("", rule) for rule in ("confidence", "avc", "avc-mrkld"))
    assert avc.color == both.color != confidence.color
    assert avc.symbol == both.symbol != confidence.symbol
    assert avc.dash == confidence.dash == "solid" != both.dash


def test_every_quantity_has_a_panel_and_every_rule_is_named_once():
    keys = ["accuracy", "mean_norm", "ece", "precision"]
    figure = curves(values(), STROKES, keys)
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [
        "Accuracy, overall",
        "Mean norm of the selected",
        "Calibration error (ECE)",
        "Precision of the selected",
    ]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["Confidence", "AVC + MRKLD"]
    assert {trace.xaxis for trace in figure.data} == {"x", "x2", "x3", "x4"}


def test_a_quantity_without_an_interval_has_no_band():
    figure = curves(values(low=np.nan, high=np.nan), STROKES, ["accuracy"])
    assert len(figure.data) == 2
    assert not any(trace.fill for trace in figure.data)


def classes(after):
    size = len(after)
    return pd.DataFrame(
        {
            "label_name": [f"<b>{k}" for k in range(size)],
            "samples": 10,
            "before": 0.5,
            "after": after,
            "low": np.asarray(after) - 0.1,
            "high": np.asarray(after) + 0.1,
        }
    )


def test_the_class_that_gains_most_stands_on_top_and_markup_is_text():
    before, after = before_and_after(classes([0.6, 0.9, 0.2])).data[-2:]
    assert list(after.y) == ["‹b›2", "‹b›0", "‹b›1"]  # Plotly draws from below
    assert list(after.x) == [0.2, 0.6, 0.9]
    assert list(before.x) == [0.5] * 3
    assert len({after.marker.color[0], after.marker.color[1]}) == 2
    np.testing.assert_allclose(after.error_x.array, 0.1)


def test_a_class_of_unknown_accuracy_is_not_drawn():
    assert len(before_and_after(classes([0.6, np.nan])).data[-1].x) == 1
