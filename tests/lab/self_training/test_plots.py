"""The figure of self-training: a panel per quantity, a line per run."""

import numpy as np
import pandas as pd

from avhcurate.lab.self_training.plots import PANELS, curves


def rounds(**changes):
    values = dict.fromkeys(PANELS, 0.9)
    ends = {"precision_low": 0.7, "precision_high": 1.1}
    return pd.DataFrame([{"round": number} | values | ends | changes for number in (0, 1, 2)])


def test_every_quantity_has_a_panel_every_run_a_colour_and_an_interval_its_band():
    figure = curves({"Confidence": rounds(), "AVC": rounds(precision_low=np.nan)})
    assert [note.text for note in figure.layout.annotations] == [name for name, _ in PANELS.values()]
    lines = [trace for trace in figure.data if not trace.fill]
    assert len(lines) == 2 * len(PANELS)
    assert [trace.name for trace in lines if trace.showlegend] == ["Confidence", "AVC"]
    assert len({trace.line.color for trace in lines}) == 2
    (band,) = [trace for trace in figure.data if trace.fill]
    assert (band.legendgroup, min(band.y), max(band.y)) == ("Confidence", 0.7, 1.1)
