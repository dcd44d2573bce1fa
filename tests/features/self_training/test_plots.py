"""Figures of self-training: a panel per quantity, a line per run."""

import numpy as np
import pandas as pd

from avhcurate.features.self_training.plots import curves, stroke


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
