"""The figure of degradation: values as in the table, level 0 under every kind."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.lab.degradation.plots import curve_panels
from avhcurate.lab.degradation.statistics import curves

STRENGTHS = {"contrast": (0.5, 0.1), "jpeg": (50, 10)}


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    parts = [pd.DataFrame({"id": range(30), "kind": "none", "level": 0})]
    parts += [pd.DataFrame({"id": range(30), "kind": kind, "level": level}) for kind in STRENGTHS for level in (1, 2)]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(avh=table["level"] / 10 + rng.normal(0, 0.01, len(table)), correct=1.0)


def test_a_panel_a_kind_and_measure_has_the_means_from_level_0_on(rows):
    table = curves(rows, ["avh", "accuracy"], {"all": np.arange(30)})
    figure = curve_panels(table, STRENGTHS)
    assert len(figure.data) == 4
    line = figure.data[0]
    of_kind = table[(table["kind"] == "contrast") & (table["measure"] == "avh")]
    assert list(line.x) == [0, 1, 2]
    np.testing.assert_allclose(line.y, of_kind["mean"])
    np.testing.assert_allclose(line.error_y.array, of_kind["ci_high"] - of_kind["mean"])
    titles = {note.text for note in figure.layout.annotations}
    assert titles == {"Contrast", "JPEG", "AVH", "Accuracy"}
    assert list(figure.layout.xaxis4.ticktext) == ["–", "50", "10"]
    assert not figure.layout.showlegend


def test_bins_are_lines_of_their_own_named_once(rows):
    groups = {"[0, 0.5)": np.arange(10), "[0.5, 1]": np.arange(10, 30)}
    figure = curve_panels(curves(rows, ["avh"], groups), STRENGTHS)
    assert [trace.name for trace in figure.data if trace.showlegend] == list(groups)
    assert len({trace.line.color for trace in figure.data}) == 2
    assert len(figure.data) == 4
