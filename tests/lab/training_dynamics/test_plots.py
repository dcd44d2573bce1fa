"""Figures of trainings: curves have the numbers of the table, and the data map every point with its id."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.lab.training_dynamics.plots import ALL, LEARNT, PANELS, courses, data_map
from avhcurate.ui.charts.chart_style import ramp

BINS = ("[0, 0.5)", "[0.5, 1]")
EPOCHS = (0, 0.25, 1, 2, 8)


def table(seed=0, bins=(ALL, *BINS), epochs=EPOCHS):
    rng = np.random.default_rng(seed)
    rows = [(epoch, name) for epoch in epochs for name in bins]
    frame = pd.DataFrame(rows, columns=["epoch", "bin"])
    frame["n"] = [100 if name == ALL else 50 for name in frame["bin"]]
    for key in PANELS:
        frame[key] = rng.uniform(0.2, 0.9, len(frame)).round(5)
        frame[f"{key}_se"] = rng.uniform(0.001, 0.01, len(frame)).round(6)
    return frame


def lines(figure, name):
    """Lines of a legend group that are curves, not bands."""
    return [trace for trace in figure.data if trace.legendgroup == name and trace.fill is None]


@pytest.mark.parametrize("number", [1, 3])
def test_each_panel_draws_the_means_of_the_table_for_every_bin(number):
    shown = {f"training {seed}": table(seed) for seed in range(number)}
    figure = courses(shown, simulated=True)
    assert "simulated" in figure.layout.legend.title.text
    for name in (ALL, *BINS):
        drawn = lines(figure, name)
        assert len(drawn) == number * len(PANELS)
        assert sum(trace.showlegend for trace in drawn) == 1
        expected = [curves[curves["bin"] == name][key] for curves in shown.values() for key in PANELS]
        for trace, values in zip(drawn, expected, strict=True):
            np.testing.assert_allclose(trace.y, values, atol=1e-6)
            np.testing.assert_allclose(trace.x, EPOCHS)
            assert set(trace.customdata[:, 0]) == {100 if name == ALL else 50}


def test_without_votes_only_the_curve_over_all_samples_is_drawn():
    figure = courses({"one": table(bins=(ALL,))})
    assert {trace.legendgroup for trace in figure.data} == {ALL}
    assert not figure.layout.legend.title.text


def test_samples_learnt_from_have_their_own_curve_for_accuracy_and_loss():
    learnt = pd.DataFrame({"epoch": [0, 1, 2], "accuracy": [np.nan, 0.5, 0.6], "loss": [np.nan, 1, 0.5]})
    figure = courses({"one": pd.concat([table(), learnt.assign(bin=LEARNT)])})
    own = lines(figure, LEARNT)
    assert [list(trace.y) for trace in own] == [[0.5, 0.6], [1, 0.5]]
    assert [list(trace.x) for trace in own] == [[1, 2], [1, 2]]


def test_trainings_side_by_side_share_the_axis_of_each_quantity_and_one_may_be_empty():
    figure = courses({"one": table(0), "two": table(1)})
    for trace in lines(figure, ALL):
        axis = figure.layout["yaxis" + trace.yaxis[1:]]
        assert axis.matches is not None or axis.title.text in {name for name, _ in PANELS.values()}
    assert [note.text for note in figure.layout.annotations] == ["one", "two"]
    assert len(lines(courses({"one": table(), "two": table().iloc[:0]}), ALL)) == len(PANELS)


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


def test_an_image_whose_class_was_retired_has_no_label():
    points = points_of(2).assign(label_name=["cat", None])
    (trace,) = scatters(data_map(points))
    assert {row[0]: row[1] for row in trace.customdata} == {100: "cat", 101: "no label"}


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
