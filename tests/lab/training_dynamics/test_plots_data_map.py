"""The data map: every point where the table has it with its id, a fair part when crowded."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.lab.training_dynamics.plots import data_map
from avhcurate.ui.charts.chart_style import ramp

BINS = ("[0, 0.5)", "[0.5, 1]")


def points_of(n=40, seed=0):
    rng = np.random.default_rng(seed)
    hsf = rng.uniform(0, 1, n)
    names = np.where(hsf < 0.5, *BINS).astype(object)
    names[:3] = None
    return pd.DataFrame(
        {
            "id": np.arange(n) + 100,
            "label_name": "cat",
            "hsf": hsf,
            "hsf_bin": names,
            "avh": rng.uniform(0.05, 0.2, n),
            "confidence_mean": rng.uniform(0, 1, n).round(4),
            "variability": rng.uniform(0, 0.4, n).round(4),
            "correctness": rng.integers(0, 11, n) / 10,
        }
    )


def scatters(figure):
    return [trace for trace in figure.data if trace.type == "scattergl"]


@pytest.mark.parametrize("color", ["correctness", "hsf_bin", "avh"])
def test_points_lie_where_the_table_says_and_carry_their_id(color):
    points = points_of().assign(label_name="<b>")
    traces = scatters(data_map(points, color=color, bins=BINS))
    drawn = {
        int(row[0]): (x, y) for trace in traces for row, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    places = zip(points["variability"], points["confidence_mean"], strict=True)
    assert drawn == dict(zip(points["id"], places, strict=True))
    assert {row[1] for trace in traces for row in trace.customdata} == {"‹b›"}  # the name of a class is no markup
    assert [int(id) for trace in traces for id in trace.ids] == [row[0] for trace in traces for row in trace.customdata]
    alone = points_of(1).assign(variability=0.0, avh=np.nan)
    assert scatters(data_map(alone, color=color, bins=BINS))[0].x[0] == 0


def test_bins_have_their_colours_and_samples_without_votes_are_named():
    points = points_of()
    traces = {trace.name: trace for trace in scatters(data_map(points, color="hsf_bin", bins=BINS))}
    assert list(traces) == ["no votes", *BINS[::-1]]  # the hardest on top
    assert [traces[name].marker.color for name in BINS] == ramp(2)
    for name in BINS:
        assert list(traces[name].customdata[:, 0]) == points["id"][points["hsf_bin"] == name].tolist()
    assert list(traces["no votes"].customdata[:, 0]) == [100, 101, 102]


def test_the_outline_of_a_region_is_drawn():
    figure = data_map(points_of(), outline=([0.1, 0.2, 0.2, 0.1], [0, 0, 1, 1]))
    assert figure.layout.shapes[0].path.startswith("M0.1,0L0.2,0")
